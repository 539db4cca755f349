"""Build structures: put back what is missing."""
