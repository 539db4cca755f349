"""How a user's files are to be understood, where conventions do not say it or say it wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reading:
    """How to read files.

    ``keys``, ``units`` and ``stress`` are the arguments of ``label_map``; ``units`` may also say the unit of
    ``positions``, where it is not Å. ``skip_unreadable`` leaves out what cannot be read. ``trust`` allows to
    read pickles (by a machine that builds numbers only, see ``atomscape.data.unpickle``).
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    stress: Any = None
    skip_unreadable: bool = False
    trust: bool = False
