"""Answers as the OPTIMADE specification (v1.1) describes them, made by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from atomscape.atoms.structures import Structures
from atomscape.data.card import records
from atomscape.data.optimade import optimade, optimade_rows
from atomscape.data.pages import Ask, Asking, Query, collect, entries_of
from atomscape.data.rows import Row, batched

SALT = {
    "id": "salt-1",
    "type": "structures",
    "attributes": {
        "lattice_vectors": [[0.0, 2.8, 2.8], [2.8, 0.0, 2.8], [2.8, 2.8, 0.0]],
        "cartesian_site_positions": [[0.0, 0.0, 0.0], [2.8, 2.8, 2.8]],
        "species_at_sites": ["Na", "anion"],
        "species": [
            {"name": "Na", "chemical_symbols": ["Na"], "concentration": [1.0]},
            {"name": "anion", "chemical_symbols": ["Cl"], "concentration": [1.0], "mass": [35.45]},
        ],
        "dimension_types": [1, 1, 1],
        "nsites": 2,
        "structure_features": [],
        "_here_gap": 5.0,
        "_here_forces": [[0.0, 0.0, 0.1], [0.0, 0.0, -0.1]],
    },
}


def labels(attributes) -> dict:
    return {"gap": attributes.get("_here_gap"), "forces": attributes.get("_here_forces")}


def structures(*entries) -> Structures:
    return Structures.concatenate(batched(optimade_rows(entries, labels), records("gap", "forces")))


def changed(**attributes) -> dict:
    entry = copy.deepcopy(SALT)
    entry["attributes"] |= attributes
    return entry


def species(**how) -> list:
    return [
        SALT["attributes"]["species"][0],
        {"name": "anion", "chemical_symbols": ["Cl"], "concentration": [1]} | how,
    ]


def test_a_crystal() -> None:
    s = structures(SALT)
    assert s.ids == ("salt-1",)
    assert s.numbers.tolist() == [11, 17]
    assert s.cell[0].tolist() == SALT["attributes"]["lattice_vectors"]
    assert s.positions[1].tolist() == [2.8, 2.8, 2.8]
    assert bool(s.pbc.all())
    assert s.labels["gap"].tolist() == [5.0]
    assert s.labels["forces"].tolist() == SALT["attributes"]["_here_forces"]


def test_sheets_and_molecules() -> None:
    sheet = changed(dimension_types=[1, 1, 0], lattice_vectors=[[3, 0, 0], [0, 3, 0], [None, None, None]])
    molecule = changed(dimension_types=[0, 0, 0], lattice_vectors=None)
    s = structures(sheet, molecule)
    assert s.pbc.tolist() == [[True, True, False], [False] * 3]
    assert s.cell[0].tolist() == [[3, 0, 0], [0, 3, 0], [0, 0, 0]]
    assert not s.cell[1].any()


@pytest.mark.parametrize(
    "entry",
    [
        changed(species=species(chemical_symbols=["Cl", "Br"], concentration=[0.5, 0.5])),
        changed(species=species(chemical_symbols=["Cl", "vacancy"], concentration=[0.9, 0.1])),
        changed(species=species(concentration=[0.5])),
        changed(species=species(chemical_symbols=["X"])),
        changed(species=species(attached=["H"], nattached=[1])),
        changed(cartesian_site_positions=[[0, 0, 0], [None, None, None]]),
        changed(cartesian_site_positions=None),
    ],
    ids=["two elements", "vacancy", "part", "unknown", "attached", "unknown position", "no positions"],
)
def test_disordered_entries_are_left_out(entry) -> None:
    assert structures(entry, SALT).ids == ("salt-1",)


def test_what_is_no_structure_is_named() -> None:
    entry = changed()
    del entry["attributes"]["species_at_sites"]
    with pytest.raises(ValueError, match="salt-1 is no structure of OPTIMADE: KeyError"):
        structures(entry)


def test_missing_labels_are_nan() -> None:
    s = structures(SALT, changed(_here_gap=None, _here_forces=None))
    assert np.isnan(s.labels["gap"].numpy()).tolist() == [False, True]
    assert np.isnan(s.labels["forces"].numpy()).any(1).tolist() == [False, False, True, True]
    assert "gap" not in structures(changed(_here_gap=None)).labels, "a batch without any has no such label"


def test_a_label_of_the_wrong_length_is_named() -> None:
    with pytest.raises(ValueError, match="salt-1: forces cannot be read as"):
        structures(changed(_here_forces=[[0.0, 0.0, 0.1]]))


@pytest.mark.parametrize("form", ["address", "object", "relative"])
def test_pages(web, answer, tmp_path, form) -> None:
    def respond(request):
        page = int(request.query.get("page_number", 1))
        address = f"{'' if form == 'relative' else web.url}/v1/structures?page_number={page + 1}"
        link = {"href": address, "meta": {}} if form == "object" else address
        data = [{**SALT, "id": f"salt-{page}"}]
        return answer(
            {"data": data, "links": {"next": link if page < 3 else None}, "meta": {"data_returned": 3}}
        )

    web.respond = respond
    seen: list = []
    asking = Asking(pause=lambda _: None, progress=lambda *p: seen.append(p))
    collect(tmp_path, optimade(f"{web.url}/v1", ["_here_gap"]), Query(filter='elements HAS "Na"'), asking)
    found = entries_of(tmp_path, lambda a: a["data"])
    assert [row.id for row in optimade_rows(found, labels)] == ["salt-1", "salt-2", "salt-3"]
    first = web.requests[0]
    assert (first.path, first.query["filter"]) == ("/v1/structures", 'elements HAS "Na"')
    assert first.query["response_fields"].endswith("structure_features,_here_gap")
    assert seen[-1] == (3, 3)


def test_a_next_page_on_the_disk_is_not_read(web, answer, tmp_path) -> None:
    web.respond = lambda _: answer({"data": [SALT], "links": {"next": "file:///etc/hostname"}})
    with pytest.raises(ValueError, match="not an address of the web"):
        collect(tmp_path, optimade(web.url), Query(), Asking(pause=lambda _: None))


def test_end_of_answers() -> None:
    service, here = optimade("http://here"), Ask("http://here/structures")
    for links in ({"links": {"next": None}}, {"links": None}, {"links": {}}, {}):
        assert service.following(here, links) is None


def test_rows_with_what_no_element_is() -> None:
    with pytest.raises(ValueError, match="'Qq' is no element"):
        list(optimade_rows([changed(species_at_sites=["Qq", "Na"])], labels))
    assert structures(changed(species_at_sites=["D", "T"], species=None)).numbers.tolist() == [1, 1]


def test_rows_become_batches_of_the_size_asked_for() -> None:
    rows = [Row(str(k), [1], [[0.0, 0.0, k]], labels={"gap": float(k)}) for k in range(5)]
    batches = list(batched(rows, records("gap"), size=2))
    assert [len(b) for b in batches] == [2, 2, 1]
    assert Structures.concatenate(batches).labels["gap"].tolist() == [0, 1, 2, 3, 4]
    assert not any(b.pbc.any() for b in batches)
