"""Materials Project, the present database, through its web service (a free key is needed).

``atomscape data get materials_project_api --limit 10000`` asks for entries and keeps the answers in
``pages/``. The sets derived from older databases (MP-20, MEGNet's) are the source ``materials_project`` and
need no key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.pages import Ask, Asking, Query, Service, collect, entries_of, page_files
from atomscape.data.pymatgen_json import read_structure
from atomscape.data.rows import Row, batched
from atomscape.data.source import no_splits

BASE = "https://api.materialsproject.org"
KEY = "MP_API_KEY"
PAGE = 500
LABELS = {
    "formation_energy_per_atom": "formation_energy",
    "energy_above_hull": "energy_above_hull",
    "band_gap": "gap",
    "total_magnetization": "total_magnetization",
}
FIELDS = ("material_id", "structure", *LABELS)

card = Card(
    name="materials_project_api",
    title="Materials Project (present database)",
    description="Inorganic crystals with what the summary of each material states. Energies are formation "
    "energies after the project's corrections, which put PBE, PBE+U and r2SCAN calculations on one scale; "
    "total energies are left aside, because they do not share one. Disordered crystals are left out. "
    "--filter takes parameters of the service: 'elements=Li,O&energy_above_hull_max=0.05'.",
    licence="CC-BY-4.0",
    citation="A. Jain et al., APL Mater. 1, 011002 (2013)",
    level_of_theory="PBE, PBE+U and r2SCAN with Materials Project corrections, mixed by entry",
    url="https://materialsproject.org",
    properties=records(*LABELS.values()),
    verified="on hand-made answers in the form that its service and client give, never on the service itself",
)
splits = no_splits


def service() -> Service:
    """The summaries of all materials, page by page."""
    total = lambda answer: (answer.get("meta") or {}).get("total_doc")  # noqa: E731
    return Service(_first, _following, lambda answer: answer["data"], total, _key, gap=0.5)


def download(folder: Path, query: Query, asking: Asking) -> None:
    """Ask for materials that match a filter: parameters of the service, joined by ``&``.

    Raises
    ------
    PermissionError
        There is no key.
    """
    collect(folder, service(), query, asking)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: answers of the service."""
    return page_files(folder)


def read(folder: Path) -> Iterator[Structures]:
    """Crystals in batches; ids are Materials Project ids."""
    return batched(_rows(entries_of(folder, service().entries)), card.properties)


def _first(filter: str) -> Ask:
    asked = {"_fields": ",".join(FIELDS), "_limit": PAGE, "_skip": 0, "deprecated": "false"}
    return _ask(asked | dict(parse_qsl(filter)))


def _following(ask: Ask, answer: Mapping[str, Any]) -> Ask | None:
    asked = dict(parse_qsl(urlsplit(ask.url).query))
    page = int(asked["_limit"])
    return _ask(asked | {"_skip": int(asked["_skip"]) + page}) if len(answer["data"]) == page else None


def _ask(parameters: Mapping[str, Any]) -> Ask:
    return Ask(f"{BASE}/materials/summary/?{urlencode(parameters)}")


def _key() -> dict[str, str]:
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise PermissionError(
            f"the Materials Project wants a key: log in at https://next-gen.materialsproject.org/api (it is "
            f"free), and set {KEY} to it. The MP-20 set needs none: atomscape data get materials_project"
        )
    return {"X-API-KEY": key}


def _rows(entries: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for entry in entries:
        if any(len(s["species"]) != 1 or s["species"][0]["occu"] != 1 for s in entry["structure"]["sites"]):
            continue
        labels = {ours: entry.get(theirs) for theirs, ours in LABELS.items()}
        yield Row(entry["material_id"], *read_structure(entry["structure"]), labels)
