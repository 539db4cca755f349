"""Sets that the project makes itself: what their labels say is true, and the seed decides everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.atoms.crystal_symmetry import as_spglib, ask_spglib
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.data.get import catalogue
from atomscape.data.load import load
from atomscape.data.particles import advance, energy, forces, pair_strengths
from atomscape.data.sources import crystal_prototypes, n_body, point_groups, space_groups, tetris
from atomscape.data.space_group_settings import first_settings, found_group, operations, setting_named
from atomscape.o3.point_groups import elements


def kinds_of(group: np.ndarray) -> list:
    """How many elements of each determinant and trace: the same in any frame."""
    found = np.stack([np.linalg.det(group), np.trace(group, axis1=1, axis2=2)], 1)
    return sorted(map(tuple, (np.round(found, 3) + 0.0).tolist()))


def isometries(positions: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """By brute force: every permutation of like atoms that keeps all distances, as the matrix it is."""
    r = positions - positions.mean(0)
    distances = np.linalg.norm(r[:, None] - r[None], axis=-1)
    distances[np.diag_indices(len(r))] = np.linalg.norm(r, axis=1)
    found: list[list[int]] = []

    def extend(images: list[int]) -> None:
        a = len(images)
        if a == len(r):
            found.append(images)
            return
        for b in range(len(r)):
            ok = (
                numbers[b] == numbers[a] and b not in images and abs(distances[a, a] - distances[b, b]) < 1e-3
            )
            if ok and np.abs(distances[a, :a] - distances[b, images]).max(initial=0.0) < 1e-3:
                extend([*images, b])

    extend([])
    return np.stack([np.linalg.lstsq(r, r[p], rcond=None)[0].T for p in found])


@pytest.mark.parametrize("label", range(len(point_groups.SYMBOLS)), ids=point_groups.SYMBOLS)
def test_point_groups_are_what_they_are_called(label) -> None:
    for k in range(2):
        s = point_groups.made(label, k)
        assert s.ids == (f"{point_groups.SYMBOLS[label]}-{k}",)
        assert point_groups.FEWEST <= s.n_atoms <= point_groups.MOST
        found = isometries(s.positions.numpy(), s.numbers.numpy())
        assert kinds_of(found) == kinds_of(elements(point_groups.SYMBOLS[label]))
        assert float(torch.pdist(s.positions).min()) >= point_groups.NEAREST - 1e-9


def test_point_groups_as_pymatgen_names_them() -> None:
    analyzer = pytest.importorskip("pymatgen.symmetry.analyzer")
    from pymatgen.core import Molecule

    names = {
        "D2d": "D2d",
        "S4": "S4",
        "C4v": "C4v",
        "Th": "Th",
        "O": "O",
        "D5d": "D5d",
        "C3h": "C3h",
        "C2h": "C2h",
    }
    for symbol, name in names.items():
        s = point_groups.made(point_groups.SYMBOLS.index(symbol), 0)
        made = Molecule(s.symbols()[0], s.positions.numpy())
        assert str(analyzer.PointGroupAnalyzer(made, tolerance=0.01).get_pointgroup()) == name


def test_point_groups_split(tmp_path) -> None:
    split = point_groups.splits(tmp_path)
    n = point_groups.EACH * len(point_groups.SYMBOLS)
    assert sorted(np.concatenate(list(split.values())).tolist()) == list(range(n))
    for rows in split.values():
        classes = np.bincount(rows // point_groups.EACH, minlength=len(point_groups.SYMBOLS))
        assert (classes == classes[0]).all(), "every part has as many of each group"


def test_a_group_without_a_small_cloud_is_told(monkeypatch) -> None:
    monkeypatch.setattr(point_groups, "MOST", 6)
    with pytest.raises(RuntimeError, match="no cloud of at most 6 atoms with point group Ih"):
        point_groups.cloud("Ih", np.random.default_rng(0))


@pytest.mark.parametrize(
    "group", [1, 2, 14, 19, 36, 62, 88, 122, 146, 155, 167, 178, 194, 203, 216, 221, 230]
)
def test_space_groups_are_what_they_are_called(group) -> None:
    pytest.importorskip("spglib")
    s = space_groups.made(group, 0)
    assert float(s.labels["space_group"]) == group
    assert s.n_atoms <= space_groups.MOST
    cell = s.cell[0].numpy()
    fractions = s.positions.numpy() @ np.linalg.inv(cell)
    for precision in (1e-5, 1e-3, 1e-2):
        assert found_group(cell, fractions, s.numbers.numpy(), precision) == group, f"at {precision} Å"
    images = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3) @ cell
    apart = np.linalg.norm(
        s.positions.numpy()[:, None, None] - s.positions.numpy()[None, :, None] + images, axis=-1
    )
    low, high = space_groups.NEAREST
    assert low - 0.05 <= apart[apart > 1e-6].min() <= high + 0.05


def test_every_space_group_has_a_first_setting() -> None:
    pytest.importorskip("spglib")
    assert sorted(first_settings()) == list(range(1, 231))
    orders = {1: 1, 2: 2, 14: 4, 62: 8, 225: 192, 227: 192, 230: 96}
    for group, order in orders.items():
        assert len(operations(first_settings()[group])[0]) == order
    assert setting_named("Fd-3m:2")[1] == 227
    assert setting_named("Cmca") == setting_named("Cmce")
    with pytest.raises(ValueError, match="no space group is called 'Fx-3'"):
        setting_named("Fx-3")


@pytest.mark.parametrize("made", [
    lambda: point_groups.made(20, 3), lambda: space_groups.made(62, 1), lambda: n_body.trajectories(True, 3),
])  # fmt: skip
def test_the_seed_decides(made) -> None:
    a, b = made(), made()
    assert torch.equal(a.positions, b.positions)
    assert torch.equal(a.numbers, b.numbers)
    assert all(torch.equal(a.labels[k], b.labels[k]) for k in a.labels)


@pytest.mark.parametrize("charged", [True, False])
def test_particles_keep_energy_and_momentum_and_come_back(charged) -> None:
    r, v, charges = n_body.start(charged, 40)
    strengths = pair_strengths(charges, r)
    after = advance(r, v, strengths, n_body.SOFTENING, n_body.STEP, 2000)
    drift = energy(*after, strengths, n_body.SOFTENING) - energy(r, v, strengths, n_body.SOFTENING)
    assert float(drift.abs().max()) < 5e-3, "of order one are the energies"
    torch.testing.assert_close(after[1].sum(1), v.sum(1), rtol=0, atol=1e-12)
    back = advance(after[0], -after[1], strengths, n_body.SOFTENING, n_body.STEP, 2000)
    torch.testing.assert_close(back[0], r, rtol=0, atol=1e-6)
    finer = advance(r, v, strengths, n_body.SOFTENING, n_body.STEP / 2, 400)
    coarse = advance(r, v, strengths, n_body.SOFTENING, n_body.STEP, 200)
    torch.testing.assert_close(finer[0], coarse[0], rtol=0, atol=1e-3)


def test_forces_are_the_gradient_of_the_potential() -> None:
    r, v, charges = n_body.start(True, 3)
    strengths = pair_strengths(charges, r)
    r.requires_grad_()
    (gradient,) = torch.autograd.grad(energy(r, v, strengths, 0.1).sum(), r)
    torch.testing.assert_close(forces(r.detach(), strengths, 0.1), -gradient)


def test_like_charges_repel_and_masses_attract() -> None:
    r = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]], dtype=torch.float64)
    like = forces(r, pair_strengths(torch.ones(1, 2, dtype=torch.float64), r), 1e-9)
    pull = forces(r, pair_strengths(None, r), 1e-9)
    assert like[0, 1].tolist() == [1.0, 0.0, 0.0]
    assert pull[0, 1].tolist() == [-1.0, 0.0, 0.0]


def test_trajectories_are_labelled() -> None:
    s = n_body.trajectories(True, 4)
    assert (len(s), s.n_atoms) == (4, 20)
    assert set(s.labels) == {"velocities", "displacements", "charges", "energy", "forces"}
    assert torch.equal(s.labels["charges"] > 0, s.numbers == n_body.SODIUM)
    moved = s.labels["displacements"].norm(dim=1)
    straight = s.labels["velocities"].norm(dim=1) * n_body.AFTER * n_body.STEP
    assert 0.1 < float(moved.mean() / straight.mean()) < 3.0
    gravity = n_body.trajectories(False, 2)
    assert "charges" not in gravity.labels


def test_generated_sets_load_without_files(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path))
    monkeypatch.delenv("ATOMSCAPE_DATA", raising=False)
    monkeypatch.setattr(point_groups, "EACH", 1)
    monkeypatch.setattr(point_groups, "SYMBOLS", point_groups.SYMBOLS[:8])
    states = {e.name: e.state for e in catalogue()}
    assert states["point_groups"] == states["space_groups"] == states["n_body:charged"] == "generated"
    store = load("point_groups")
    assert len(store) == 8
    assert "point_groups.py" in store.card.provenance
    whole = Structures.concatenate(point_groups.read(tmp_path))
    torch.testing.assert_close(store[:].positions, whole.positions)
    assert load("point_groups").folder == store.folder


def handedness(x: torch.Tensor) -> float:
    """Triple product of the steps between the points of a shape, in the order in which they are given."""
    step = x[1:] - x[:-1]
    return float(torch.linalg.det(step))


def test_moved_shapes_are_the_shapes_of_their_labels() -> None:
    """Distances are those of the shape; handedness is kept by motions and changed by mirrors."""
    for label, name in enumerate(tetris.NAMES):
        for k in range(4):
            s = tetris.moved(label, "test", k)
            found = int(s.labels["shape_class"])
            assert s.ids == (f"{name}-test-{k}",)
            distances = torch.pdist(s.positions).sort().values
            torch.testing.assert_close(distances, torch.pdist(tetris.shape(found).positions).sort().values)
            assert found == (1 - label if k % 2 and label < 2 else label)
            turned = handedness(s.positions)
            assert turned == pytest.approx((-1) ** k * handedness(tetris.shape(label).positions), abs=1e-9)
    assert handedness(tetris.shape(0).positions) == pytest.approx(-handedness(tetris.shape(1).positions))
    assert abs(handedness(tetris.shape(0).positions)) > 1


def test_shapes_of_one_label_only_are_not_chiral() -> None:
    """Every other shape has a mirror plane: some order of its points keeps all distances and inverts it."""
    from itertools import permutations

    for label in range(2, len(tetris.NAMES)):
        x = tetris.shape(label).positions
        d = torch.cdist(x, x)
        same = [list(p) for p in permutations(range(4)) if torch.allclose(d[list(p)][:, list(p)], d)]
        flat = torch.linalg.matrix_rank(x - x.mean(0)) < 3
        assert flat or any(handedness(x[p]) * handedness(x) < 0 for p in same)


def space_group(s: Structures) -> int:
    return ask_spglib("get_symmetry_dataset", as_spglib(s), symprec=1e-3).number


@pytest.mark.parametrize("name", crystal_prototypes.NAMES)
def test_structure_types_have_their_space_group(name) -> None:
    """In the conventional cell, the primitive one, a supercell and from another origin."""
    pytest.importorskip("spglib")
    made = crystal_prototypes.TYPES[name]
    whole = crystal_prototypes.conventional(name)
    assert space_group(whole) == made.group
    sizes = {"P": 1, "I": 2, "R": 3, "F": 4}
    for change in ("primitive", "supercell", "shifted", "turned"):
        s = crystal_prototypes.changed(name, "test", change, 0)
        assert space_group(s) == made.group, change
        assert float(s.labels["space_group"]) == made.group
    primitive = crystal_prototypes.changed(name, "test", "primitive", 0)
    assert primitive.n_atoms * sizes[made.centring] == whole.n_atoms


def test_bond_lengths_do_not_tell_structure_types() -> None:
    """The shortest distance is the same in all of them; elements are three at most."""
    for name in crystal_prototypes.NAMES:
        s = crystal_prototypes.conventional(name)
        shortest = neighbour_graph(s, 3.0).vectors.norm(dim=1).min()
        assert float(shortest) == pytest.approx(crystal_prototypes.SHORTEST)
        assert set(s.symbols()[0]) <= set(crystal_prototypes.KINDS)


def test_disturbed_crystals_are_disturbed_as_stated() -> None:
    """Strains of at most 1 %, displacements of 0.05 Å; everything at once is all of it."""
    whole = crystal_prototypes.conventional("spinel")
    strained = crystal_prototypes.changed("spinel", "test", "strained", 3)
    e = torch.linalg.solve(whole.cell[0], strained.cell[0]) - torch.eye(3)
    assert 1e-3 < float(e.abs().max()) <= crystal_prototypes.STRAIN + 1e-12
    rattled = crystal_prototypes.changed("spinel", "test", "rattled", 3)
    spread = float((rattled.positions - whole.positions).square().mean().sqrt())
    assert spread == pytest.approx(crystal_prototypes.RATTLE, rel=0.3)
    all_of_it = crystal_prototypes.changed("spinel", "test", "everything", 3)
    assert all_of_it.n_atoms != whole.n_atoms
