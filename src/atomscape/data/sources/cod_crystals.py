"""Experimental crystals of minerals, elements and compounds, as CIF from the Crystallography Open Database.

Read from ``openchemistry_cif_400.zip`` (a part), or from the archive of the collection's repository, which is
a zip file too: members ``KIND/FORMULA-NAME.cif``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from atomscape.atoms.structures import Structures
from atomscape.data import zipped
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.density import with_density
from atomscape.data.source import first_layout, no_splits

PART, ARCHIVE = "openchemistry_cif_400.zip", "crystals-7adea78a.zip"
COMMIT = "7adea78a682c1fa793825c85e67de531005413ff"
MEMBER = r"(?:.*/)?(?P<kind>[^/]+)/(?P<id>[^/]+)\.cif"

card = Card(
    name="cod_crystals",
    title="Crystals of the Open Chemistry collection",
    description="Measured crystal structures, mostly minerals, elements, simple compounds and zeolites, "
    "expanded from their asymmetric units. Geometry, and what follows from it. Ids are 'formula-name'. "
    "Disordered crystals (partial occupancies, or atoms on top of one another), and files without elements "
    "or operations that can be read are left out; the store's card lists them. Experimental hydrogen "
    "positions are often missing altogether.",
    licence="public domain",
    citation="S. Gražulis et al., Nucleic Acids Res. 40, D420 (2012); collected by the Open Chemistry "
    "project",
    level_of_theory="experiment",
    url="https://github.com/OpenChemistry/crystals",
    properties=records("density", "volume_per_atom"),
    files={ARCHIVE: FileRecord(url=f"https://github.com/OpenChemistry/crystals/archive/{COMMIT}.zip")},
    verified="the part of 400 files: 372 are read, 28 left out; all 191 densities that the files state are "
    "met within 5 %. The archive of the repository: on a hand-made one with its folders. The publisher "
    "states no checksum.",
)
splits = no_splits


def inputs(folder: Path) -> list[Path]:
    """The part, else the archive."""
    return first_layout(folder, [PART], [ARCHIVE])


def read(folder: Path) -> Iterator[Structures]:
    """Ordered crystals, in the order of their files' names."""
    return map(with_density, zipped.read_zip(inputs(folder)[0], MEMBER, "cif"))


def left_out(folder: Path) -> dict[str, str]:
    """Ids of the crystals that ``read`` leaves out, and why."""
    return zipped.left_out(inputs(folder)[0], MEMBER, "cif")
