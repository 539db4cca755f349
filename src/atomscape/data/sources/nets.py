"""Nets of the Reticular Chemistry Structure Resource as carbon structures: topology as graphs read it.

Read from ``RCSR_topology.zip``, members ``*.cgd`` (Systre): one node and one edge of each kind, expanded here
by the operations of the space group. Needs spglib.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.cgd import read_cgd
from atomscape.data.source import first_layout, no_splits
from atomscape.data.zipped import LeftOut, members

FILE = "RCSR_topology.zip"
COMMIT = "639caad9d315ef6cb4838d0f8e44336d4a41aa7a"
MEMBER = r"(?:.*/)?(?P<id>[^/]+)\.cgd"
ELEMENT = 6
EDGE = 1.54
"""Å: mean length of edges after scaling, a carbon–carbon single bond."""

BATCH = 128

card = Card(
    name="nets",
    title="RCSR nets",
    description="Three-periodic nets, a carbon atom at each node, scaled so that edges are 1.54 Å long on "
    "average. Not materials: nodes that no edge joins may be closer than bonded ones. coordination is the "
    "number of edges at each node, space_group that of the net in its most symmetric form. Ids are RCSR's "
    "symbols.",
    licence="MIT (the copy's repository)",
    citation="M. O'Keeffe, M. A. Peskov, S. J. Ramsden, O. M. Yaghi, Acc. Chem. Res. 41, 1782 (2008)",
    level_of_theory="none: topology",
    url="http://rcsr.net",
    properties=records("coordination", "space_group"),
    files={
        FILE: FileRecord(
            url=f"https://raw.githubusercontent.com/Sangwon91/PORMAKE/{COMMIT}/src/pormake/database/topologies/{FILE}"
        )
    },
    verified="on the file: in every net that is read, as many edges meet at each node as the file states",
)
splits = no_splits


def inputs(folder: Path) -> list[Path]:
    """The zip file."""
    return first_layout(folder, [FILE])


def read(folder: Path) -> Iterator[Structures]:
    """Nets in the order of their symbols."""
    nets = (net for net in each_net(inputs(folder)[0]) if isinstance(net, Structures))
    while batch := list(itertools.islice(nets, BATCH)):
        yield Structures.concatenate(batch)


def left_out(folder: Path) -> dict[str, str]:
    """Symbols of the files that ``read`` leaves out, and why."""
    return {x.id: x.why for x in each_net(inputs(folder)[0]) if isinstance(x, LeftOut)}


def each_net(path: Path, pattern: str = MEMBER) -> Iterator[Structures | LeftOut]:
    """Every net of the file, or why it is left out."""
    for match, text in members(path, pattern):
        try:
            net = read_cgd(text)
            if (net.degrees != net.coordination).any():
                raise ValueError("its edges do not give the coordination that the file states")
        except ValueError as error:
            yield LeftOut(match["id"], str(error))
            continue
        cell = net.cell * (EDGE / net.length)
        yield Structures.of(
            net.nodes @ cell,
            [ELEMENT] * len(net.nodes),
            cell,
            labels={"coordination": net.degrees, "space_group": net.space_group},
            id=match["id"],
        )
