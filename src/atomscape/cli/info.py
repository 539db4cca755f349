"""``atomscape info``."""


def info() -> None:
    """."""
