"""One carbon crystal, written in 350 ways: other cells of the same lattice, other sizes, shifted coordinates.

Read from ``train_NXL.extxyz.gz``.
"""
