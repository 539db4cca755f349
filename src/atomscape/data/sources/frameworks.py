"""Porous frameworks as CIF: covalent organic ones, metal–organic ones, zeolites and model ceramics.

Each part is read from a zip file of CIFs: a copy, or the archive of the publisher's repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from atomscape.atoms.structures import Structures
from atomscape.data import zipped
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.density import with_density
from atomscape.data.source import Part, first_layout

COFS, COFS_ARCHIVE = "curated_cofs_200.zip", "CURATED-COFs-fddfde12.zip"
RASPA, RASPA_ARCHIVE = "raspa_mofs_zeolites_140.zip", "RASPA2-6498ab1e.zip"
_COFS_URL = "https://github.com/danieleongari/CURATED-COFs"
_RASPA_URL = "https://github.com/iRASPA/RASPA2"
_COFS_COMMIT = "fddfde12e43787755e99be9238058fba475ca048"
_RASPA_COMMIT = "6498ab1eec9c8e0f063dcd0d71dd7add372c529b"


def _zips(names: tuple[str, str], folder: Path) -> list[Path]:
    return first_layout(folder, names[:1], names[1:])


def _read(names: tuple[str, str], member: str, folder: Path) -> Iterator[Structures]:
    return map(with_density, zipped.read_zip(_zips(names, folder)[0], member, "cif"))


def _left_out(names: tuple[str, str], member: str, folder: Path) -> dict[str, str]:
    return zipped.left_out(_zips(names, folder)[0], member, "cif")


def _raspa(kind: str, what: str, counts: str) -> Part:
    names = (RASPA, RASPA_ARCHIVE)
    card = Card(
        name=f"frameworks:{kind}",
        title=what,
        description=f"{what} of the RASPA 2 simulation package, expanded from their asymmetric units. Some "
        "are idealised or have atoms of solvents removed. Geometry, and what follows from it. Frameworks "
        "with partial occupancies or atoms on top of one another are left out.",
        licence="MIT",
        citation="D. Dubbeldam, S. Calero, D. E. Ellis, R. Q. Snurr, Mol. Simul. 42, 81 (2016)",
        level_of_theory="experiment and models",
        url=_RASPA_URL,
        properties=records("density", "volume_per_atom"),
        files={RASPA_ARCHIVE: FileRecord(url=f"{_RASPA_URL}/archive/{_RASPA_COMMIT}.zip")},
        folders=("frameworks",),
        verified=f"a part of 140 files of all kinds: {counts}; the archive of the repository: on a hand-made "
        "one with its folders. The publisher states no checksum.",
    )
    return _part(card, names, MEMBERS[kind])


def _part(card: Card, names: tuple[str, str], member: str) -> Part:
    left_out = partial(_left_out, names, member)
    return Part(card, partial(_zips, names), partial(_read, names, member), __file__, left_out=left_out)


FOLDERS = {"mofs": "mofs", "zeolites": "zeolites", "ceramics": "ceramics|minerals"}
MEMBERS = {
    "cofs": r"(?:.*/)?(?P<id>[^/]+)\.cif",
    **{k: rf"(?:.*/)?(?:{folders})/(?:cif/)?(?P<id>[^/]+)\.cif" for k, folders in FOLDERS.items()},
}
"""Paths of the members of each part, in the copies and in the archives."""

_COF_FILES = (COFS, COFS_ARCHIVE)

parts: dict[str, Part] = {
    "cofs": _part(
        Card(
            name="frameworks:cofs",
            title="CURATED COFs",
            description="Covalent organic frameworks from the literature, solvent removed, cells and atoms "
            "relaxed. Geometry only; ids are the numbers of the collection.",
            licence="MIT",
            citation="D. Ongari, A. V. Yakutovich, L. Talirz, B. Smit, ACS Cent. Sci. 5, 1663 (2019)",
            level_of_theory="relaxed with DFT (see the publication)",
            url=_COFS_URL,
            properties=records("density", "volume_per_atom"),
            files={COFS_ARCHIVE: FileRecord(url=f"{_COFS_URL}/archive/{_COFS_COMMIT}.zip")},
            folders=("frameworks",),
            verified="a part of 200 of the 984 files: 198 are read, 2 have atoms within 0.6 Å of one "
            "another; the archive of the repository: on a hand-made one with its folders. The publisher "
            "states no checksum.",
        ),
        _COF_FILES,
        MEMBERS["cofs"],
    ),
    "mofs": _raspa(
        "mofs", "Metal–organic frameworks", "71 are read, 2 have atoms on top of one another, 1 is broken off"
    ),
    "zeolites": _raspa("zeolites", "Zeolites", "36 are read, 1 lacks coordinates"),
    "ceramics": _raspa(
        "ceramics", "Model carbons, ceramics and quartz", "25 are read, 4 have atoms on top of one another"
    ),
}
