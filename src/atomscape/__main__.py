"""``python -m atomscape`` is the command ``atomscape``."""

from atomscape.cli import main

main()
