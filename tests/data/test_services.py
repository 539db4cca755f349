"""Sources that are services: asked, kept and read, against a server here that answers in their form.

The answers are made by hand from the services' documentation; none was recorded.
"""

from __future__ import annotations

import numpy as np
import pytest

from atomscape.atoms.structures import Structures
from atomscape.data.get import get
from atomscape.data.load import download_folder, load
from atomscape.data.online import DownloadError, Offline
from atomscape.data.pages import Asking
from atomscape.data.sources import alexandria, materials_project_api, nomad, oqmd

EV = 1.602176634e-19


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of each test's own, no real data, no pauses."""
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ATOMSCAPE_DATA", str(tmp_path / "data"))
    pauses: list[float] = []
    monkeypatch.setattr("atomscape.data.get.Asking", lambda **how: Asking(**how, pause=pauses.append))
    return pauses


def entry(k: int, gap=0.03, total=-7.5, program="VASP", names=("GGA_X_PBE", "GGA_C_PBE")) -> dict:
    """An entry of NOMAD's archive: two atoms in a cell of 3 Å, in SI units."""
    structure = {
        "lattice_vectors": (np.eye(3) * 3e-10).tolist(),
        "dimension_types": [1, 1, 1],
        "cartesian_site_positions": [[0.0, 0.0, 0.0], [1.5e-10, 1.5e-10, 1.5e-10]],
        "species_at_sites": ["Fe", "Al"],
    }
    bands = {"band_gap": [{"index": 0, "value": gap * EV}, {"index": 1, "value": 2 * gap * EV}]}
    results = {
        "material": {"material_id": "m1"},
        "method": {"simulation": {"program_name": program, "dft": {"xc_functional_names": list(names)}}},
        "properties": {
            "structures": {"structure_original": structure},
            "electronic": {"band_structure_electronic": [bands]},
        },
    }
    run = [{"calculation": [{"energy": {"total": {"value": total * EV}}}]}]
    return {"entry_id": f"e{k}", "archive": {"results": results, "run": run}}


@pytest.fixture
def nomad_server(web, answer, monkeypatch):
    """Seven entries, in the order of their ids, three a page; e4 and e5 are of another level of theory."""
    other = {4: {"program": "FHI-aims"}, 5: {"names": ["LDA_X", "LDA_C_PW"]}}

    def respond(request):
        assert request.path == "/entries/archive/query"
        after = int((request.body["pagination"].get("page_after_value") or "e-1")[1:])
        ids = range(after + 1, min(after + 4, 7))
        more = {"next_page_after_value": f"e{ids[-1]}"} if ids[-1] < 6 else {}
        return answer(
            {"data": [entry(k, **other.get(k, {})) for k in ids], "pagination": {"total": 7, **more}}
        )

    web.respond = respond
    monkeypatch.setattr(nomad, "BASE", web.url)
    return web


def test_nomad(nomad_server) -> None:
    store = get("nomad", limit=7)
    assert store.ids == [f"m1/e{k}" for k in range(7)]
    s = store[list(range(7))]
    np.testing.assert_allclose(s.cell[0].numpy(), np.eye(3) * 3.0, rtol=1e-12)
    np.testing.assert_allclose(s.positions[1].numpy(), [1.5, 1.5, 1.5], rtol=1e-12)
    assert s.numbers[:2].tolist() == [26, 13]
    np.testing.assert_allclose(s.labels["energy"][0], -7.5, rtol=1e-9)
    np.testing.assert_allclose(s.labels["gap"][0], 0.03, rtol=1e-9)
    for label in ("energy", "gap"):
        assert s.labels[label].isnan().tolist() == [False] * 4 + [True, True, False], (
            "another level of theory"
        )
    asked = nomad_server.requests[0].body
    assert asked["query"]["results.method.simulation.program_name"] == "VASP"
    assert asked["owner"] == "public"
    assert [r.body["pagination"].get("page_after_value") for r in nomad_server.requests] == [None, "e2", "e5"]
    assert load("nomad").folder == store.folder


def test_nomad_with_a_filter(nomad_server) -> None:
    assert len(get("nomad", filter='{"results.material.elements:all": ["Ti"]}')) == 7
    assert nomad_server.requests[0].body["query"]["and"][1] == {"results.material.elements:all": ["Ti"]}
    with pytest.raises(ValueError, match=r"the filter 'Ti' is no JSON .* write for instance \{"):
        get("nomad", filter="Ti")


def test_nomad_is_too_large_to_be_asked_for_whole(nomad_server) -> None:
    with pytest.raises(ValueError, match="millions of entries"):
        get("nomad")
    assert nomad_server.requests == []


def test_a_rude_server_is_asked_until_it_answers(nomad_server, answer, cache) -> None:
    nomad_server.plan = [
        answer(status=429, headers={"Retry-After": "30"}),
        None,
        answer(status=500),
        answer(b'{"data": [', cut=4),
        answer({"data": []}, status=200, cut=3),
    ]
    assert len(get("nomad", limit=5)) == 5
    assert cache == [30.0, 0.5, 1.0, 2.0, 4.0]


def test_after_a_refusal_the_rest_is_asked_for(nomad_server, answer) -> None:
    nomad_server.plan = [None, answer({"detail": "the service is closed"}, status=403)]
    with pytest.raises(DownloadError, match=r"403 Forbidden \(the service is closed\)"):
        get("nomad", limit=6)
    with pytest.raises(FileNotFoundError, match="not on this machine"):
        load("nomad")
    assert len(get("nomad", limit=6)) == 6
    assert len(nomad_server.requests) == 3


def test_a_larger_limit_makes_a_larger_dataset(nomad_server) -> None:
    assert len(get("nomad", limit=2)) == 2
    assert len(get("nomad", limit=4)) == 4
    assert len(load("nomad")) == 4
    assert len(get("nomad")) == 4, "without a limit it is what is here"


def test_offline_tells_what_to_bring(nomad_server, monkeypatch) -> None:
    with pytest.raises(
        Offline, match=r"run: atomscape data get nomad --limit 9; then copy its folder pages to .*nomad"
    ):
        get("nomad", limit=9, offline=True)
    monkeypatch.setenv("ATOMSCAPE_OFFLINE", "1")
    with pytest.raises(Offline, match="--filter 'x'"):
        get("oqmd", filter="x")
    assert nomad_server.requests == []


def structure(id: str, **labels) -> dict:
    attributes = {
        "lattice_vectors": [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]],
        "cartesian_site_positions": [[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]],
        "species_at_sites": ["Cs", "Cl"],
        "species": [{"name": e, "chemical_symbols": [e], "concentration": [1.0]} for e in ("Cs", "Cl")],
        "dimension_types": [1, 1, 1],
        "nsites": 2,
        "structure_features": [],
    }
    return {"id": id, "type": "structures", "attributes": attributes | labels}


def test_oqmd_service(web, answer, monkeypatch) -> None:
    labels = {"_oqmd_delta_e": -1.9, "_oqmd_stability": -0.01, "_oqmd_band_gap": 5.4}
    data = [structure("4061", **labels), structure("4062", _oqmd_delta_e=None)]
    web.respond = lambda _: answer({"data": data, "links": {"next": None}, "meta": {"data_returned": 2}})
    monkeypatch.setattr(oqmd, "BASE", f"{web.url}/optimade/v1")
    store = get("oqmd", filter='elements HAS ALL "Cs","Cl"')
    assert store.ids == ["4061", "4062"]
    assert store.values("formation_energy")[0] == -1.9
    assert store.values("energy_above_hull")[0] == -0.01
    assert np.isnan(store.values("gap")).tolist() == [False, True]
    assert web.requests[0].query["filter"] == 'elements HAS ALL "Cs","Cl"'
    assert "_oqmd_delta_e,_oqmd_stability,_oqmd_band_gap" in web.requests[0].query["response_fields"]


def test_alexandria_service(web, answer, monkeypatch) -> None:
    labels = {
        "_alexandria_energy": -6.5,
        "_alexandria_forces": [[0.0, 0.0, 0.01], [0.0, 0.0, -0.01]],
        "_alexandria_hull_distance": 0.02,
        "_alexandria_magnetic_moments": [],
    }
    web.respond = lambda r: answer({"data": [structure("agm1", **labels)], "links": {"next": None}})
    monkeypatch.setattr(alexandria, "BASE", web.url)
    for part in ("pbe", "pbesol"):
        store = get(f"alexandria:{part}", limit=5)
        assert store.values("energy").tolist() == [-6.5]
        assert store.values("energy_above_hull").tolist() == [0.02]
        assert store.values("forces")[1].tolist() == [0.0, 0.0, -0.01]
        assert "magnetic_moments" not in store.properties
    assert [r.path for r in web.requests] == ["/pbe/v1/structures", "/pbesol/v1/structures"]


def summary(k: int, occupation: float = 1.0) -> dict:
    """A material as the summary service gives it: a pymatgen structure of one atom, and labels."""
    site = {
        "species": [{"element": "Cu", "occu": occupation}],
        "abc": [0.5, 0.0, 0.0],
        "xyz": [9, 9, 9],
        "label": "Cu",
    }
    cell = {"matrix": [[2.0, 0.0, 0.0], [0.0, 2.5, 0.0], [0.0, 0.0, 3.0]], "pbc": [True, True, True]}
    return {
        "material_id": f"mp-{k}",
        "structure": {
            "@module": "pymatgen.core.structure",
            "@class": "Structure",
            "lattice": cell,
            "sites": [site],
        },
        "formation_energy_per_atom": -0.1 * k,
        "energy_above_hull": 0.0,
        "band_gap": None,
        "total_magnetization": 1e-4,
    }


@pytest.fixture
def materials(web, answer, monkeypatch):
    """Five materials, two a page, for those with the right key."""

    def respond(request):
        if request.headers.get("x-api-key") != "right":
            return answer({"message": "No API key found in request"}, status=401)
        start = int(request.query["_skip"])
        data = [summary(k, 0.5 if k == 3 else 1.0) for k in range(start, min(start + 2, 5))]
        return answer({"data": data, "meta": {"total_doc": 5}})

    web.respond = respond
    monkeypatch.setattr(materials_project_api, "BASE", web.url)
    monkeypatch.setattr(materials_project_api, "PAGE", 2)
    monkeypatch.setenv("MP_API_KEY", "right")
    return web


def test_materials_project(materials) -> None:
    store = get("materials_project_api")
    assert store.ids == ["mp-0", "mp-1", "mp-2", "mp-4"], "mp-3 is disordered"
    np.testing.assert_allclose(store.values("formation_energy"), [0.0, -0.1, -0.2, -0.4])
    s = store[0]
    assert s.positions.tolist() == [[1.0, 0.0, 0.0]], "fractions times the cell"
    assert "gap" not in store.properties, "null everywhere"
    assert [r.query["_skip"] for r in materials.requests] == ["0", "2", "4"]
    assert materials.requests[0].path == "/materials/summary/"
    assert (
        materials.requests[0].query["_fields"].startswith("material_id,structure,formation_energy_per_atom")
    )


def test_materials_project_with_a_filter(materials) -> None:
    get("materials_project_api", limit=1, filter="elements=Li,O&energy_above_hull_max=0.05")
    asked = materials.requests[0].query
    assert (asked["elements"], asked["energy_above_hull_max"]) == ("Li,O", "0.05")


def test_materials_project_wants_a_key(materials, monkeypatch) -> None:
    monkeypatch.setenv("MP_API_KEY", "wrong")
    with pytest.raises(DownloadError, match=r"401 Unauthorized \(No API key found in request\)"):
        get("materials_project_api", limit=1)
    monkeypatch.delenv("MP_API_KEY")
    with pytest.raises(PermissionError, match=r"wants a key: log in at https://.*set MP_API_KEY"):
        get("materials_project_api", limit=1)
    assert len(materials.requests) == 1
    kept = download_folder("materials_project_api")
    assert not any(b"wrong" in p.read_bytes() for p in kept.rglob("*") if p.is_file())


def test_files_take_no_limit() -> None:
    with pytest.raises(ValueError, match="qm9 is a dataset of files"):
        get("qm9", limit=5)
    with pytest.raises(ValueError, match="a limit of 0 entries asks for nothing"):
        get("nomad", limit=0)


def test_what_has_no_address_is_read_where_it_lies() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"carolina .*no address.*\$ATOMSCAPE_DATA/carolina or \$ATOMSCAPE_DATA/mats"
    ):
        get("carolina")


def test_answers_are_preferred_to_a_local_sample(nomad_server, tmp_path) -> None:
    sample = tmp_path / "data" / "matsciml_devsets" / nomad.FILE
    sample.parent.mkdir(parents=True)
    sample.write_bytes(b"")
    assert get("nomad", limit=1).ids == ["m1/e0"]
    assert load("nomad").ids == ["m1/e0"]


def test_answers_that_were_brought_are_used_where_they_lie(nomad_server, tmp_path) -> None:
    """As the message of a machine without network says; a folder that cannot be written serves too."""
    get("nomad", limit=5)
    brought = tmp_path / "data" / "nomad"
    brought.parent.mkdir()
    download_folder("nomad").rename(brought)
    for path in (*brought.rglob("*"), brought):
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        before = sorted(p.name for p in (brought / "pages").iterdir())
        assert len(get("nomad", limit=5, offline=True)) == 5
        assert len(get("nomad", offline=True)) == 5
        assert sorted(p.name for p in (brought / "pages").iterdir()) == before
    finally:
        for path in (brought, *brought.rglob("*")):
            path.chmod(0o700)
    assert len(get("nomad", limit=7)) == 7, "and gone on with there"
    assert not download_folder("nomad").exists()


@pytest.mark.real
def test_real_development_sets(real_data) -> None:
    folder = real_data("matsciml_devsets")
    found = {m.card.name: Structures.concatenate(m.read(folder)) for m in (nomad, oqmd)}
    assert {name: len(s) for name, s in found.items()} == {"nomad": 200, "oqmd": 200}
    for s in found.values():
        assert nearest(s) > 0.7, "H2 is the shortest bond there is; as Cartesian, OQMD has 0.27 Å"
    energy = found["nomad"].labels["energy"] / found["nomad"].counts
    known = energy[~energy.isnan()]
    assert len(known) == 38
    assert -15 < float(known.min()) < float(known.median()) < 0, "eV per atom of VASP, not joule"
    oxygen = found["nomad"][0]
    assert oxygen.formulas() == ["O4"]
    np.testing.assert_allclose(float(oxygen.labels["energy"]) / 4, -5.21, atol=0.01)
    assert float(found["oqmd"].labels["formation_energy"].min()) > -4.5


def nearest(s: Structures) -> float:
    """Smallest distance between two atoms or images (Å)."""
    from ase import Atoms
    from ase.neighborlist import neighbor_list

    shortest = np.inf
    for one in (s[k] for k in range(len(s))):
        atoms = Atoms(
            one.numbers.numpy(), one.positions.numpy(), cell=one.cell[0].numpy(), pbc=one.pbc[0].numpy()
        )
        found = neighbor_list("d", atoms, 3.0)
        shortest = min(shortest, found.min() if len(found) else np.inf)
    return shortest
