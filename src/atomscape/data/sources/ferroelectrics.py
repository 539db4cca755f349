"""Ferroelectrics: paths of ten structures from a nonpolar to a polar crystal, with polarization and energy.

Layouts:

- ``distortion_paths.extxyz.gz`` with ``workflows.jsonl.gz``: structures as extended XYZ, and one JSON record
  per workflow;
- the archive of the search site's repository, a zip file with one ``json/wfid_*.json`` per workflow. Its
  structures are those of the site's plots: edges of the cell and Cartesian positions by element.

The records give the polarization in µC/cm² along the lattice vectors a, b, c, p = P·â and so on in the sense
P = p_a â + p_b b̂ + p_c ĉ, on several branches that differ by quanta e|a|/V; the one that the publication
follows is marked. P is e/Å² here, and known modulo the quanta e·R/V of all lattice vectors R.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from atomscape.atoms.ase import from_ase
from atomscape.atoms.labels import LabelMap
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.files import read_frames
from atomscape.data.source import first_layout, no_splits
from atomscape.units import ELEMENTARY_CHARGE

PATHS, WORKFLOWS = "distortion_paths.extxyz.gz", "workflows.jsonl.gz"
ARCHIVE = "ferroelectric_search_site-82a2b939.zip"
COMMIT = "82a2b939922bfd7d5f7e40ed3616dab9f0065a83"
IMAGES = 10
MICROCOULOMB_PER_CM2 = 1e-6 / ELEMENTARY_CHARGE / 1e16
"""One µC/cm² in e/Å²."""

BATCH = 64
_SITE = "https://github.com/blondegeek/ferroelectric_search_site"

card = Card(
    name="ferroelectrics",
    title="Ferroelectrics along distortion paths",
    description="Pairs of a nonpolar and a polar crystal of the Materials Project, and ten structures on the "
    "straight path between them; distortion runs from 0 (nonpolar) to 1. Ids are '<nonpolar>~<polar>/"
    "<workflow>~<image>': all workflows of a pair stand together. polarization is on the branch that the "
    "publication follows, so that it changes smoothly along most paths; only differences along a path, or "
    "values modulo the quantum, mean anything. Energies and polarizations are NaN where a workflow did not "
    "get so far, and not all paths are smooth. The space group is that of the ends, NaN between them.",
    licence="MIT",
    citation="T. E. Smidt, S. A. Mack, S. E. Reyes-Lillo, A. Jain, J. B. Neaton, Sci. Data 7, 72 (2020)",
    level_of_theory="PBE+U with Materials Project settings, Berry-phase polarization",
    url=_SITE,
    properties=records("energy", "polarization", "distortion", "space_group"),
    files={ARCHIVE: FileRecord(url=f"{_SITE}/archive/{COMMIT}.zip")},
    verified="packed layout: on 731 of the 827 workflows; archive: on a hand-made one with records of the "
    "site, never on the whole download. The publisher states no checksum.",
)
splits = no_splits


def inputs(folder: Path) -> list[Path]:
    """The two packed files, else the archive."""
    return first_layout(folder, [PATHS, WORKFLOWS], [ARCHIVE])


def read(folder: Path) -> Iterator[Structures]:
    """Workflow after workflow, image 0 (nonpolar) to 9 (polar)."""
    paths = inputs(folder)
    workflows = _packed(*paths) if len(paths) == 2 else _archived(paths[0])
    while batch := list(itertools.islice(workflows, BATCH)):
        yield Structures.concatenate(batch)


def polarization_of(record: Mapping[str, Any], cells: np.ndarray) -> np.ndarray:
    """Polarization [images, 3] in e/Å² on the marked branch; NaN where the record has none.

    ``cells`` [images, 3, 3] in Å, rows are lattice vectors.
    """
    if "polarization" not in record:
        return np.full((len(cells), 3), np.nan)
    along = np.stack([_marked_branch(record["polarization"][axis]["quanta"]) for axis in "abc"], axis=1)
    directions = cells / np.linalg.norm(cells, axis=2, keepdims=True)
    return np.einsum("ia,iak->ik", along, directions) * MICROCOULOMB_PER_CM2


def _marked_branch(quanta: Mapping[str, Any]) -> np.ndarray:
    """The branch [images] that the site plots in red, in µC/cm²; missing points are null."""
    branch = quanta["data"][quanta["color"].index("ro")]
    return np.array([np.nan if value is None else value for value in branch], dtype=np.float64)


def _workflow(record: Mapping[str, Any], images: list[Atoms]) -> Structures:
    """One path with its labels.

    Raises
    ------
    ValueError
        The record does not fit the structures.
    """
    name, n = record["wfid"], len(images)
    cells = np.stack([image.cell.array for image in images])
    polarization = polarization_of(record, cells)
    energies = record.get("energy_per_atom", {}).get("scalars") or [None] * n
    if not n == len(energies) == len(polarization):
        given = f"{len(energies)} energies, {len(polarization)} polarizations"
        raise ValueError(f"{name}: {given} for {n} structures")
    pair = f"{record['nonpolar_id']}~{record['polar_id']}"
    for k, image in enumerate(images):
        image.info["id"] = f"{pair}/{name}~{k}"
    s = from_ase(images, LabelMap((), n))
    known = s.cell.new_tensor([np.nan if e is None else e for e in energies])
    group = s.cell.new_full((n,), np.nan)
    group[0], group[-1] = record["nonpolar_spacegroup"], record["polar_spacegroup"]
    return s.with_labels(
        energy=known * s.counts,
        polarization=s.cell.new_tensor(polarization),
        distortion=s.cell.new_tensor(np.linspace(0.0, 1.0, n)),
        space_group=group,
    )


def _packed(paths: Path, workflows: Path) -> Iterator[Structures]:
    with gzip.open(workflows, "rt") as file:
        found = {row["wfid"]: row for row in map(json.loads, file)}
    key: Callable[[Atoms], str] = lambda image: image.info["wfid"]  # noqa: E731
    for name, images in itertools.groupby(read_frames(paths), key):
        yield _workflow(found[name], list(images))


def _archived(path: Path) -> Iterator[Structures]:
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if re.fullmatch(r"(?:.*/)?json/wfid_[^/]*\.json", name):
                record = json.loads(archive.read(name))
                record.setdefault("wfid", name.rsplit("/", 1)[-1].removesuffix(".json"))
                yield _workflow(record, [_plotted(d) for d in record["distortion"]])


def _plotted(drawing: Mapping[str, Any]) -> Atoms:
    """Crystal of a plot: twelve edges of the cell (three start at the origin: c, b, a), atoms by element."""
    edges = np.array(drawing["unitcell"], dtype=np.float64)
    cell = edges[2::-1, :, 1]
    symbols = [e for e, xyz in drawing["atoms"].items() for _ in xyz["x"]]
    axes = [np.concatenate([xyz[k] for xyz in drawing["atoms"].values()]) for k in "xyz"]
    return Atoms(symbols, np.stack(axes, axis=1), cell=cell, pbc=True)
