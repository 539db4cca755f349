"""NOMAD: calculations of many codes and methods, of which one level of theory gives the labels.

Two layouts are read; both are in SI units (J, m):

- ``pages/``: answers of NOMAD's archive service, asked by ``atomscape data get nomad --limit 1000``;
- ``nomad.jsonl.gz``: rows of the Open MatSciML development set.

Total energies of different codes and functionals have nothing in common, nor have all-electron and
pseudopotential ones. Labels are given for calculations with VASP and PBE only; other structures come without.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.json_lines import json_lines
from atomscape.data.pages import Ask, Asking, Query, Service, collect, entries_of, page_files
from atomscape.data.rows import Row, batched, numbers_of
from atomscape.data.source import first_layout, no_splits
from atomscape.units import conversion_factor

BASE = "https://nomad-lab.eu/prod/v1/api/v1"
FILE = "nomad.jsonl.gz"
PROGRAM, FUNCTIONAL = "VASP", ("GGA_C_PBE", "GGA_X_PBE")
PAGE = 100
METRE, JOULE = conversion_factor("m", "Å"), conversion_factor("J", "eV")

LEVEL = {
    "results.method.simulation.program_name": PROGRAM,
    "results.method.simulation.dft.xc_functional_names:all": list(FUNCTIONAL),
    "quantities:all": ["results.properties.structures.structure_original", "run.calculation.energy.total"],
}
REQUIRED = {
    "results": {
        "material": {"material_id": "*"},
        "method": {"simulation": {"program_name": "*", "dft": {"xc_functional_names": "*"}}},
        "properties": {
            "structures": {"structure_original": "*"},
            "electronic": {"band_structure_electronic": {"band_gap": "*"}},
        },
    },
    "run": {"calculation[-1]": {"energy": {"total": "*"}}},
}
"""Parts of an entry's archive that are read."""

card = Card(
    name="nomad",
    title="NOMAD",
    description="Structures of published calculations, one an entry. energy and gap are given for VASP with "
    "PBE only (Hubbard U, pseudopotentials and cutoffs still differ from upload to upload); energies are the "
    "last total energy of an entry, for its representative structure. The service is asked for that level of "
    "theory; --filter adds to it in NOMAD's language, as JSON: "
    '\'{"results.material.elements:all": ["Ti", "O"]}\'.',
    licence="CC-BY-4.0",
    citation="M. Scheidgen et al., J. Open Source Softw. 8, 5388 (2023); C. Draxl, M. Scheffler, J. Phys. "
    "Mater. 2, 036001 (2019)",
    level_of_theory="labels: PBE with VASP; structures: mixed",
    url="https://nomad-lab.eu",
    properties=records("energy", "gap"),
    folders=("nomad", "matsciml_devsets"),
    verified="development set of 200 entries: on the file itself; service: on hand-made answers in the form "
    "of NOMAD's documentation, never on the service itself",
)
splits = no_splits


def service() -> Service:
    """NOMAD's archive, asked page by page in the order of entry ids."""
    return Service(
        _first, _following, lambda a: a["data"], lambda a: a["pagination"].get("total"), whole=False
    )


def download(folder: Path, query: Query, asking: Asking) -> None:
    """Ask for entries of the level of theory that match a filter (JSON in NOMAD's language)."""
    collect(folder, service(), query, asking)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: answers of the service, else the development set."""
    return page_files(folder) or first_layout(folder, [FILE])


def read(folder: Path) -> Iterator[Structures]:
    """Structures in batches; ids are NOMAD's ``MATERIAL/ENTRY``, in the development set ``MATERIAL/row``."""
    paths = inputs(folder)
    if paths[0].name == FILE:
        lines = json_lines(paths[0])
        return batched((_row(x, x["key"], x["energies"]) for x in lines), card.properties)
    return batched(map(_archived, entries_of(folder, service().entries)), card.properties)


def _first(filter: str) -> Ask:
    try:
        extra = json.loads(filter) if filter else {}
    except ValueError as error:
        example = '{"results.material.elements:all": ["Ti", "O"]}'
        raise ValueError(
            f"the filter {filter!r} is no JSON ({error}); write for instance {example}"
        ) from error
    query = {"and": [LEVEL, extra]} if extra else LEVEL
    pagination = {"page_size": PAGE, "order_by": "entry_id", "order": "asc"}
    body = {"owner": "public", "query": query, "pagination": pagination, "required": REQUIRED}
    return Ask(f"{BASE}/entries/archive/query", body)


def _following(ask: Ask, answer: Mapping[str, Any]) -> Ask | None:
    after, body = answer["pagination"].get("next_page_after_value"), ask.body or {}
    if after is None:
        return None
    return Ask(ask.url, {**body, "pagination": {**body["pagination"], "page_after_value": after}})


def _archived(entry: Mapping[str, Any]) -> Row:
    archive = entry["archive"]
    calculations = [c for run in archive.get("run") or () for c in run.get("calculation") or ()]
    energies = (calculations[-1].get("energy") or {}) if calculations else {}
    return _row(archive["results"], entry["entry_id"], energies)


def _row(results: Mapping[str, Any], id: Any, energies: Mapping[str, Any]) -> Row:
    """Row of a ``results`` section and the energies of the last calculation."""
    properties = results["properties"]
    structure = properties["structures"]["structure_original"]
    vectors = structure.get("lattice_vectors")
    pbc = np.array(structure.get("dimension_types") or [int(vectors is not None)] * 3, dtype=bool)
    cell = np.zeros((3, 3)) if vectors is None else np.array(vectors) * METRE * pbc[:, None]
    simulation = results["method"].get("simulation") or {}
    names = (simulation.get("dft") or {}).get("xc_functional_names") or ()
    ours = simulation.get("program_name") == PROGRAM and tuple(sorted(names)) == FUNCTIONAL
    total = (energies.get("total") or {}).get("value")
    labels = {"energy": None if total is None else total * JOULE, "gap": _gap(properties)} if ours else {}
    return Row(
        f"{results['material']['material_id']}/{id}",
        numbers_of(structure["species_at_sites"]),
        np.array(structure["cartesian_site_positions"]) * METRE,
        cell,
        labels,
        (bool(pbc[0]), bool(pbc[1]), bool(pbc[2])),
    )


def _gap(properties: Mapping[str, Any]) -> float | None:
    """The smaller gap of the spin channels of the band structure (eV); None where it is not known."""
    found = (properties.get("electronic") or {}).get("band_structure_electronic") or {}
    bands = found if isinstance(found, Mapping) else found[-1]
    gaps = [g["value"] * JOULE for g in bands.get("band_gap") or () if g.get("value") is not None]
    return min(gaps) if gaps else None
