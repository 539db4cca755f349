"""Ferroelectrics: paths, polarizations in e/Å² modulo their quanta, energies of the whole cell."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from atomscape.atoms.structures import Structures
from atomscape.data.sources import ferroelectrics as f
from atomscape.units import conversion_factor

N = f.IMAGES


def record(wfid: str, scale: float = 1.0) -> dict:
    """A cubic cell of 4 Å in which an oxygen moves along z while the polarization grows along c."""
    edges = [[[0, 0], [0, 0], [0, 4.0]], [[0, 0], [0, 4.0], [0, 0]], [[0, 4.0], [0, 0], [0, 0]]] + [
        [[0, 1]] * 3
    ] * 9
    drawn = [
        {"unitcell": edges, "atoms": {"O": {"x": [0.0], "y": [0.0], "z": [0.02 * k]},
                                      "Ti": {"x": [2.0], "y": [2.0], "z": [2.0]}}}
        for k in range(N)
    ]  # fmt: skip
    along = {axis: np.zeros(N) for axis in "ab"} | {"c": scale * np.arange(N, dtype=float)}
    quanta = {
        axis: {
            "quanta": {
                "data": [(v - 100.0).tolist(), v.tolist(), (v + 100.0).tolist()],
                "color": ["bo", "ro", "bo"],
            }
        }
        for axis, v in along.items()
    }
    return {
        "wfid": wfid, "nonpolar_id": "mp-1", "polar_id": "mp-2", "nonpolar_spacegroup": 221,
        "polar_spacegroup": 99, "distortion": drawn, "polarization": quanta, "energy_per_atom": {"scalars":
        [*(-5.0 - 0.1 * np.arange(N - 1)), None]}, }  # fmt: skip


def test_archive(tmp_path) -> None:
    unfinished = {k: v for k, v in record("wfid_2").items() if k not in ("polarization", "energy_per_atom")}
    with zipfile.ZipFile(tmp_path / f.ARCHIVE, "w") as file:
        file.writestr("site-82a2/json/wfid_1.json", json.dumps(record("wfid_1")))
        file.writestr("site-82a2/json/wfid_2.json", json.dumps(unfinished))
        file.writestr("site-82a2/index.html", "")
    s = Structures.concatenate(f.read(tmp_path))
    assert (len(s), s.ids[0], s.ids[-1]) == (20, "mp-1~mp-2/wfid_1~0", "mp-1~mp-2/wfid_2~9")
    assert s.formulas()[3] == "OTi"
    np.testing.assert_allclose(s[3].positions.numpy(), [[0, 0, 0.06], [2, 2, 2]])
    np.testing.assert_allclose(s[3].cell[0].numpy(), 4.0 * np.eye(3))
    energy, polarization = s.labels["energy"], s.labels["polarization"]
    assert energy[:2].tolist() == [-10.0, -10.2]
    assert bool(energy[9:].isnan().all())
    unit = conversion_factor("C/m^2", "e/Å^2") / 100
    np.testing.assert_allclose(
        polarization[:10].numpy(), np.outer(np.arange(10.0) * unit, [0, 0, 1]), atol=1e-15
    )
    assert bool(polarization[10:].isnan().all())
    assert s.labels["space_group"][[0, 9]].tolist() == [221.0, 99.0]
    assert s.labels["distortion"][:10].tolist() == pytest.approx(np.linspace(0, 1, 10).tolist())


def test_oblique_axes_are_turned_to_cartesian_ones() -> None:
    cell = np.array([[4.0, 0.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 5.0]])
    given = record("x")
    given["polarization"]["b"] = given["polarization"]["c"]
    found = f.polarization_of(given, np.broadcast_to(cell, (N, 3, 3)))
    half = 2**-0.5 * f.MICROCOULOMB_PER_CM2
    np.testing.assert_allclose(found[1], [half, half, f.MICROCOULOMB_PER_CM2])


@pytest.fixture(scope="module")
def paths(data_root):
    folder = data_root / "ferroelectrics"
    if not folder.exists():
        pytest.skip(f"real data: {folder} does not exist")
    return Structures.concatenate(f.read(folder))


@pytest.mark.real
def test_real_counts_and_energies(paths) -> None:
    assert len(paths) == 7310
    groups = {i.split("/")[0] for i in paths.ids}
    assert 350 < len(groups) <= 413, "pairs, several workflows each"
    per_atom = (paths.labels["energy"] / paths.counts).reshape(-1, 10)
    known = ~per_atom.isnan().any(1)
    assert int(known.sum()) > 400
    assert float(per_atom[known].max()) < 0.0
    steps = per_atom[known].diff(dim=1).abs()
    assert float(steps.median()) < 0.02, "eV/atom: energies change little along a path"
    volume = paths.volume.reshape(-1, 10)
    assert bool((volume > 10).all())


@pytest.mark.real
def test_real_polarization(paths, real_data) -> None:
    """The change is as published; the start is 0 or half a quantum, and a step is less than half of one."""
    polarization = paths.labels["polarization"].reshape(-1, 10, 3).numpy()
    cells = paths.cell.reshape(-1, 10, 3, 3).numpy()
    known = ~np.isnan(polarization).any((1, 2))
    assert known.sum() == 432
    import gzip

    with gzip.open(real_data("ferroelectrics") / f.WORKFLOWS, "rt") as file:
        rows = {row["wfid"]: row for row in map(json.loads, file)}
    names = [i.split("/")[1].split("~")[0] for i in paths.ids[::10]]
    published = np.array([rows[n].get("polarization_change_norm", np.nan) for n in names])
    change = np.linalg.norm(polarization[:, -1] - polarization[:, 0], axis=1) / f.MICROCOULOMB_PER_CM2
    apart = np.abs(change - published)[known]
    assert (apart < 1e-3 * published[known] + 1e-3).sum() >= 431
    volumes = np.abs(np.linalg.det(cells))
    # P·R*/(2π) counts quanta: P = Σ n_i e a_i / V for whole n.
    quanta = np.einsum("pik,pikj->pij", polarization, np.linalg.inv(cells)) * volumes[..., None]
    smooth = np.array([rows[n]["category"] == "smooth" for n in names]) & known
    assert smooth.sum() == 339
    start = np.abs(2 * quanta[smooth, 0] - np.rint(2 * quanta[smooth, 0])).max(-1)
    assert np.percentile(start, 95) < 0.05, "0 or 1/2 quantum at the nonpolar end"
    jumps = np.abs(np.diff(quanta[smooth], axis=1)).max((1, 2))
    assert jumps.max() < 0.5
    assert np.median(jumps) < 0.05


@pytest.mark.real
def test_real_ends_have_the_space_groups_they_are_said_to_have(paths) -> None:
    pytest.importorskip("spglib")
    from atomscape.data.space_group_settings import found_group

    right = 0
    rows = [r for k in range(0, 731, 25) for r in (10 * k, 10 * k + 9)]
    for row in rows:
        s = paths[row]
        cell = s.cell[0].numpy()
        found = found_group(cell, s.positions.numpy() @ np.linalg.inv(cell), s.numbers.numpy(), 0.05)
        right += found == int(s.labels["space_group"])
    assert right >= 0.9 * len(rows)
