"""MPtrj: the published records, in the units of the house, material by material in bounded memory."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.json_stream import json_entries
from atomscape.data.sources import mp_20, mptrj
from atomscape.units import KBAR

CIF = """data_NaCl
_cell_length_a 4.0
_cell_length_b 4.0
_cell_length_c 4.0
_cell_angle_alpha 60
_cell_angle_beta 60
_cell_angle_gamma 60
loop_
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na+ 0 0 0
Cl- 0.5 0.5 0.5
"""


def record(n: int = 2, magmom=(0.5, -0.5)) -> dict:
    """A frame with the keys of the published file: n atoms of Na and Cl in a box."""
    sites = [
        {
            "species": [{"element": "Na" if k % 2 == 0 else "Cl", "occu": 1}],
            "abc": [k / n, 0.0, 0.5],
            "xyz": [9, 9, 9],
        }
        for k in range(n)
    ]
    return {
        "structure": {"lattice": {"matrix": [[4.0, 0, 0], [0, 4.0, 0], [0, 0, 6.0]]}, "sites": sites},
        "uncorrected_total_energy": -7.0, "corrected_total_energy": -8.0, "energy_per_atom": -4.0, "force":
        [[0.1 * k, 0.0, -0.2] for k in range(n)], "stress": [[10.0, 1.0, 0], [1.0, 20.0, 0], [0, 0, -30.0]],
        "magmom": list(magmom) if magmom else None, "bandgap": 5.0, }  # fmt: skip


def test_published_records(tmp_path) -> None:
    content = {
        "mp-1": {"mp-1-0-0": record(), "mp-1-0-1": record(magmom=None)},
        "mp-2": {"mp-2-1-0": record()},
    }
    (tmp_path / mptrj.JSON).write_text(json.dumps(content))
    s = Structures.concatenate(mptrj.read(tmp_path))
    assert s.ids == ("mp-1/mp-1-0-0", "mp-1/mp-1-0-1", "mp-2/mp-2-1-0")
    assert s.formulas() == ["ClNa"] * 3
    assert s.labels["energy"].tolist() == [-7.0] * 3
    assert s[0].positions.tolist() == [[0.0, 0.0, 3.0], [2.0, 0.0, 3.0]]
    assert s[0].labels["forces"].tolist() == [[0.0, 0.0, -0.2], [0.1, 0.0, -0.2]]
    expected = -KBAR * np.array([[10.0, 1.0, 0], [1.0, 20.0, 0], [0, 0, -30.0]])
    np.testing.assert_allclose(s[0].labels["stress"][0].numpy(), expected)
    assert s[0].labels["magnetic_moments"].tolist() == [0.5, -0.5]
    assert bool(s[1].labels["magnetic_moments"].isnan().all())


def test_broken_files_and_records(tmp_path) -> None:
    path = tmp_path / mptrj.JSON
    text = json.dumps({"mp-1": {"mp-1-0-0": record()}})
    path.write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match=mptrj.JSON):
        list(mptrj.read(tmp_path))
    wrong = record()
    del wrong["force"]
    path.write_text(json.dumps({"mp-1": {"mp-1-0-0": wrong}}))
    with pytest.raises(ValueError, match="mp-1, mp-1-0-0: KeyError: 'force'"):
        list(mptrj.read(tmp_path))


def test_memory_does_not_grow_with_the_file(tmp_path) -> None:
    """Entries are decoded one at a time, and batches end with the material that fills them."""
    frame = json.dumps(record(20, magmom=None))

    def peak(materials: int) -> float:
        path = tmp_path / f"{materials}.json"
        path.write_text(
            "{" + ", ".join(f'"mp-{k}": {{"mp-{k}-0-0": {frame}}}' for k in range(materials)) + "}"
        )
        tracemalloc.start()
        assert sum(1 for _ in json_entries(path, chunk=1 << 14)) == materials
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few, many = peak(50), peak(500)
    assert many < 1.2 * few, f"{many / few:.2f} times the memory for ten times the file"
    batches = [len(batch) for batch in mptrj.read_json(tmp_path / "50.json", size=16)]
    assert batches == [16, 16, 16, 2]


@pytest.mark.real
def test_real_sample(real_data) -> None:
    s = Structures.concatenate(mptrj.read(real_data("mattersim_benchmarks")))
    assert (len(s), s.n_atoms) == (1000, 31_312)
    assert len(s.numbers.unique()) == 85
    per_atom = s.labels["energy"] / s.counts
    assert -12.5 < float(per_atom.min()) < float(per_atom.max()) < -0.8
    total = torch.zeros(len(s), 3, dtype=torch.float64).index_add_(0, s.structure, s.labels["forces"])
    assert float(total.abs().max()) < 1e-5
    stress = s.labels["stress"]
    torch.testing.assert_close(stress, stress.mT, rtol=0, atol=1e-6)
    assert s.ids[0] == "mp-1080834/mp-1080834-0-1"


def test_mp_20_files(tmp_path) -> None:
    labels = "formation_energy_per_atom,band_gap,pretty_formula,e_above_hull"
    head = f",material_id,{labels},elements,cif,spacegroup.number\n"
    for k, part in enumerate(("train", "val", "test")):
        (tmp_path / f"{part}.csv").write_text(f'{head}0,mp-{k},-0.5,0.{k},NaCl,0.01,"[]","{CIF}",1\n')
    s = Structures.concatenate(mp_20.read(tmp_path))
    assert s.ids == ("mp-0", "mp-1", "mp-2")
    assert s.labels["gap"].tolist() == [0.0, 0.1, 0.2]
    assert {k: v.tolist() for k, v in mp_20.splits(tmp_path).items()} == {
        "train": [0],
        "val": [1],
        "test": [2],
    }


@pytest.mark.real
def test_real_mp_20_rows(real_data) -> None:
    folder = real_data("materials_project")
    s = Structures.concatenate(mp_20.read(folder))
    assert len(s) == 1309
    assert int(s.counts.max()) <= 20
    split = mp_20.splits(folder)
    assert {k: len(v) for k, v in split.items()} == {"train": 1004, "val": 119, "test": 186}
    assert float(s.labels["energy_above_hull"].max()) < 0.1
    assert -4.5 < float(s.labels["formation_energy"].min()) < float(s.labels["formation_energy"].max()) < 1.0
