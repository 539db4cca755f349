"""Alexandria: millions of relaxed crystals of all elements, with forces, gaps and distances to the hull.

Parts, and the layouts that are read:

- ``pbe``: the publisher's files ``alexandria_NNN.json.bz2`` (100,000 entries of pymatgen each; those that
  are there are read), else ``pages/`` of the OPTIMADE service (``data get alexandria:pbe --limit 1000``);
- ``pbesol``: ``pages/`` of its OPTIMADE service;
- ``random_1k``: ``alexandria-random-1k.xyz.gz``, the sample among MatterSim's benchmarks, with stresses;
- ``devset``: ``alexandria.jsonl.gz``, rows of the Open MatSciML development set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, PropertyRecord, records
from atomscape.data.json_lines import json_lines
from atomscape.data.json_stream import file_items
from atomscape.data.known_columns import column, read_columns
from atomscape.data.optimade import optimade, optimade_rows
from atomscape.data.pages import Asking, Query, Service, collect, entries_of, page_files
from atomscape.data.pymatgen_json import read_structure, site_values
from atomscape.data.rows import Row, batched
from atomscape.data.source import Part, first_layout

BASE = "https://alexandria.icams.rub.de"
SNAPSHOT = f"{BASE}/data/pbe/2024.12.15"
N_FILES = 50
RANDOM, DEVSET = "alexandria-random-1k.xyz.gz", "alexandria.jsonl.gz"
ENTRY_LABELS = {
    "e_form": "formation_energy",
    "e_above_hull": "energy_above_hull",
    "band_gap_ind": "gap",
    "total_mag": "total_magnetization",
}
"""In ``data`` of an entry of pymatgen, and among the development set's targets."""
SERVICE_LABELS = {
    "energy": "energy",
    "forces": "forces",
    "formation_energy_per_atom": "formation_energy",
    "hull_distance": "energy_above_hull",
    "band_gap": "gap",
    "magnetization": "total_magnetization",
    "magnetic_moments": "magnetic_moments",
}
PROPERTIES = records(*SERVICE_LABELS.values())
TOLD = (
    "Energies are totals without corrections. Stresses are left aside: the publisher states neither their "
    "unit nor their sign."
)


def _service(functional: str) -> Service:
    fields = [f"_alexandria_{name}" for name in SERVICE_LABELS]
    return optimade(f"{BASE}/{functional}/v1", fields, page=100, whole=False)


def _download(functional: str, folder: Path, query: Query, asking: Asking) -> None:
    """Ask for entries that match a filter of OPTIMADE."""
    collect(folder, _service(functional), query, asking)


def _bulk(folder: Path) -> list[Path]:
    return sorted(folder.glob("alexandria_*.json.bz2")) or page_files(folder)


def _read_bulk(folder: Path) -> Iterator[Structures]:
    """Entries of the publisher's files, or of the service; ids are Alexandria's."""
    paths = _bulk(folder)
    if not paths[0].name.endswith(".bz2"):
        return _read_pages("pbe", folder)
    return batched((_entry(e) for path in paths for e in file_items(path, "entries")), PROPERTIES)


def _entry(entry: Mapping[str, Any]) -> Row:
    data, structure = entry["data"], entry["structure"]
    labels = {ours: data.get(theirs) for theirs, ours in ENTRY_LABELS.items()}
    labels |= {
        "energy": entry["energy"],
        "forces": site_values(structure, "forces", (3,)),
        "magnetic_moments": site_values(structure, "magmom"),
    }
    return Row(data["mat_id"], *read_structure(structure), labels)


def _read_pages(functional: str, folder: Path) -> Iterator[Structures]:
    """Entries of the service; ids are Alexandria's."""
    return batched(optimade_rows(entries_of(folder, _service(functional).entries), _labels), PROPERTIES)


def _labels(attributes: Mapping[str, Any]) -> dict[str, Any]:
    labels = {ours: attributes.get(f"_alexandria_{theirs}") for theirs, ours in SERVICE_LABELS.items()}
    return {name: value for name, value in labels.items() if value != []}


def _read_devset(folder: Path) -> Iterator[Structures]:
    """Crystals of the development set; ids are Alexandria's."""

    def row(line: Mapping[str, Any]) -> Row:
        targets = line["targets"]["regression"]
        labels = {ours: targets[theirs] for theirs, ours in ENTRY_LABELS.items()}
        labels |= {"energy": targets["energy_total"], "forces": line["force"]}
        labels |= {"magnetic_moments": line["magmoms"]}
        return Row(line["entry_id"], *read_structure(line["structure"]), labels)

    return batched(map(row, json_lines(folder / DEVSET)), PROPERTIES)


def _read_random(folder: Path) -> Iterator[Structures]:
    """Crystals of MatterSim's sample; units stand in its headers: eV, eV/Å, eV/Å³ (tension positive)."""
    columns = (column("energy"), column("forces"), column("stress"))
    return read_columns(folder / RANDOM, columns, lambda _, image: image.info["alexandria_id"])


def _card(
    part: str, title: str, text: str, level: str, properties: tuple[PropertyRecord, ...], **more
) -> Card:
    return Card(
        name=f"alexandria:{part}",
        title=title,
        description=text,
        licence="CC-BY-4.0",
        citation="J. Schmidt et al., Adv. Mater. 35, 2210788 (2023); J. Schmidt, T. F. T. Cerqueira et al., "
        "Mater. Today Phys. 48, 101560 (2024)",
        level_of_theory=level,
        url=BASE,
        properties=properties,
        **more,
    )


def _file(name: str, folder: Path) -> list[Path]:
    return first_layout(folder, [name])


_UNSEEN = "on hand-made files and answers in the form that readers of others expect, never on the publisher's"

parts = {
    "pbe": Part(
        _card(
            "pbe",
            "Alexandria, PBE",
            f"Three-dimensional crystals of the snapshot 2024.12.15 (files), or of the present database "
            f"(service; --filter in the language of OPTIMADE). {TOLD}",
            "PBE and PBE+U with Materials Project settings, VASP",
            PROPERTIES,
            folders=("alexandria/pbe",),
            files={
                f"alexandria_{k:03d}.json.bz2": FileRecord(url=f"{SNAPSHOT}/alexandria_{k:03d}.json.bz2")
                for k in range(N_FILES)
            },
            verified=f"{_UNSEEN}. The publisher states no checksum: the first download is recorded.",
        ),
        _bulk,
        _read_bulk,
        __file__,
        download=partial(_download, "pbe"),
    ),
    "pbesol": Part(
        _card(
            "pbesol",
            "Alexandria, PBEsol",
            f"Crystals near the PBE hull, relaxed with PBEsol, from the service (--filter in the language of "
            f"OPTIMADE). {TOLD}",
            "PBEsol, VASP",
            PROPERTIES,
            folders=("alexandria/pbesol",),
            verified=_UNSEEN,
        ),
        page_files,
        partial(_read_pages, "pbesol"),
        __file__,
        download=partial(_download, "pbesol"),
    ),
    "random_1k": Part(
        _card(
            "random_1k",
            "Alexandria, 1,000 at random",
            "A random sample of Alexandria's crystals, relaxed, among the benchmarks of MatterSim.",
            "PBE and PBE+U with Materials Project settings, VASP",
            records("energy", "forces", "stress"),
            folders=("mattersim_benchmarks",),
            verified="on the file itself",
        ),
        partial(_file, RANDOM),
        _read_random,
        __file__,
    ),
    "devset": Part(
        _card(
            "devset",
            "Alexandria, development set",
            "The first crystals of Alexandria with actinium, as in the development set of the Open MatSciML "
            "Toolkit.",
            "PBE and PBE+U with Materials Project settings, VASP",
            PROPERTIES,
            folders=("matsciml_devsets",),
            verified="on the file itself",
        ),
        partial(_file, DEVSET),
        _read_devset,
        __file__,
    ),
}  # fmt: skip
