"""Where other packages live: the Python interpreter of an environment that has one.

Potentials of other projects pin versions that exclude one another, and ours. So each has an environment of
its own, and an environment variable names its interpreter, as ``ATOMSCAPE_PEER_MACE=/…/bin/python``. Nothing
is searched for. ``scripts/peers.py`` makes such environments.
"""

from __future__ import annotations

import os
from pathlib import Path

from atomscape.find import suggest

PACKAGES = {
    "mace": "mace-torch==0.3.16",
    "metatomic": "metatomic-torch==0.1.19",
    "nequip": "nequip==0.19.1",
    "orb": "orb-models==0.5.5",
    "sevennet": "sevenn==0.13.0",
    "uma": "fairchem-core==2.24.0",
}
"""Peer → what to install for it; the versions that our adapters were written for."""

MODULES = {
    "mace": "mace",
    "metatomic": "metatomic.torch",
    "nequip": "nequip",
    "orb": "orb_models",
    "sevennet": "sevenn",
    "uma": "fairchem.core",
}
"""Peer → the module that its package is imported as."""


def variable(package: str) -> str:
    """Name of the environment variable: ``mace`` → ``ATOMSCAPE_PEER_MACE``.

    Raises
    ------
    LookupError
        No package of that name is known here.
    """
    if package not in PACKAGES:
        raise LookupError(
            f"no peer {package!r}{suggest(package, list(PACKAGES))} Known: {', '.join(PACKAGES)}."
        )
    return f"ATOMSCAPE_PEER_{package.upper()}"


def missing(package: str) -> str:
    """Why the interpreter of a package cannot be had, or nothing if it can."""
    name = variable(package)
    path = os.environ.get(name)
    if not path:
        return f"{name} names no interpreter with {PACKAGES[package]}; {_made(package)}"
    if not os.access(path, os.X_OK) or Path(path).is_dir():
        return f"{name} is {path}, which is no interpreter; {_made(package)}"
    return ""


def _made(package: str) -> str:
    """How to make an environment, for those who have our repository and those who have not."""
    return (
        f"make one: python -m venv ENV, ENV/bin/pip install {PACKAGES[package]}, and set "
        f"{variable(package)}=ENV/bin/python (scripts/peers.py of our repository does that)"
    )


def interpreter(package: str) -> Path:
    """Path of the interpreter, as the environment variable has it.

    Raises
    ------
    LookupError
        The variable is not set, or names nothing that can be run.
    """
    reason = missing(package)
    if reason:
        raise LookupError(reason)
    return Path(os.environ[variable(package)])
