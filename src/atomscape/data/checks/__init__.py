"""Checks of the audit: one file is one check."""
