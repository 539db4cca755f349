"""Methods of quantum chemistry that label structures: one file is one method."""
