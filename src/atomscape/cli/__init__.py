"""The command line: one file per command. Torch and other heavy libraries are imported in the commands."""

from atomscape.cli.app import main

__all__ = ["main"]
