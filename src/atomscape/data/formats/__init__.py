"""Formats of files that become structures, and into which structures are written: one file is one format."""
