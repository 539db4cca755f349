"""Transforms keep what they should: distances, labels that turn with space, ways back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.atoms import transform
from atomscape.atoms.cells import heights
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.o3.cartesian import cartesian_tensor
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import irreps_D
from atomscape.testing import cases

BATCH = cases.mixed_batch()


def lengths(structures: Structures, cutoff: float = 4.0) -> torch.Tensor:
    graph = neighbour_graph(structures, cutoff)
    key = graph.structures.structure[graph.centre].double() * 100 + graph.vectors.norm(dim=1)
    return key.sort().values


def labelled(structures: Structures) -> Structures:
    g = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    n, atoms = len(structures), structures.n_atoms
    return structures.with_labels(
        energy=random(n), forces=random(atoms, 3), stress=random(n, 3, 3), gap=random(n), site=random(atoms)
    )


def test_rotation_turns_labels(generator):
    batch, Q = labelled(BATCH), random_rotation(1, generator=generator, dtype=torch.float64)[0]
    there = transform.rotated(batch, Q)
    assert torch.allclose(there.positions, batch.positions @ Q.T)
    assert torch.allclose(there.cell, batch.cell @ Q.T)
    assert torch.allclose(there.labels["forces"], batch.labels["forces"] @ Q.T)
    assert torch.allclose(there.labels["stress"], Q @ batch.labels["stress"] @ Q.T)
    assert torch.equal(there.labels["energy"], batch.labels["energy"])
    back = transform.rotated(there, Q.T)
    assert all(torch.allclose(back.labels[k], batch.labels[k], atol=1e-12) for k in batch.labels)
    assert torch.allclose(lengths(there), lengths(batch), atol=1e-10)


@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
@pytest.mark.parametrize("name", [p.name for p in PROPERTIES.values() if p.shape])
def test_every_tensor_of_the_vocabulary_turns_as_its_irreps(name, sign, generator):
    prop, batch = PROPERTIES[name], cases.water()
    change = cartesian_tensor(prop.symmetry or "i")
    Q = sign * random_rotation(1, generator=generator, dtype=torch.float64)[0]
    rows = batch.n_atoms if prop.per == "atom" else 1
    x = torch.randn(rows, change.irreps.dim, generator=generator, dtype=torch.float64)
    there = transform.rotated(batch.with_labels(**{name: change.to_cartesian(x)}), Q)
    found = change.to_irreps(there.labels[name])
    assert torch.allclose(found, x @ irreps_D(prop.irreps, Q).mT, atol=1e-12)
    assert torch.allclose(change.to_cartesian(found), there.labels[name], atol=1e-12), "symmetry is kept"


def test_each_structure_may_turn_its_own_way(generator):
    Q = random_rotation(len(BATCH), generator=generator, dtype=torch.float64)
    batch = labelled(BATCH)
    apart = Structures.concatenate([transform.rotated(s, q) for s, q in zip(batch, Q, strict=True)])
    together = transform.rotated(batch, Q)
    assert torch.allclose(together.positions, apart.positions)
    assert torch.allclose(together.labels["stress"], apart.labels["stress"])


def test_reflection_negates_polar_vectors_and_keeps_true_tensors():
    batch = labelled(BATCH)
    there = transform.rotated(batch, -torch.eye(3, dtype=torch.float64))
    assert torch.equal(there.labels["forces"], -batch.labels["forces"])
    assert torch.allclose(there.labels["stress"], batch.labels["stress"])


def test_what_is_no_rotation_is_refused():
    with pytest.raises(ValueError, match="orthogonal"):
        transform.rotated(BATCH, 1.01 * torch.eye(3, dtype=torch.float64))
    unknown = cases.water().with_labels(arrows=torch.ones(3, 3).double())
    with pytest.raises(ValueError, match="'arrows' of shape"):
        transform.rotated(unknown, torch.eye(3, dtype=torch.float64))


def test_translation():
    step = torch.arange(24, dtype=torch.float64).reshape(8, 3)
    there = transform.translated(BATCH, step)
    assert torch.allclose(there.positions - BATCH.positions, step[BATCH.structure])
    assert torch.allclose(lengths(there), lengths(BATCH), atol=1e-10)


def test_permutation(generator):
    batch = labelled(BATCH)
    order = torch.argsort(batch.structure + torch.rand(batch.n_atoms, generator=generator))
    there = transform.permuted(batch, order)
    assert torch.equal(there.labels["forces"], batch.labels["forces"][order])
    assert torch.equal(there.labels["site"], batch.labels["site"][order])
    assert torch.equal(there.numbers, batch.numbers[order])
    back = transform.permuted(there, order.argsort())
    assert torch.equal(back.positions, batch.positions)
    with pytest.raises(ValueError, match="to other structures"):
        transform.permuted(batch, torch.arange(batch.n_atoms).flip(0))
    with pytest.raises(ValueError, match="no permutation"):
        transform.permuted(batch, torch.zeros(batch.n_atoms, dtype=torch.int64))


def test_lattice_translation(generator):
    shifts = torch.randint(-2, 3, (BATCH.n_atoms, 3), generator=generator) * BATCH.pbc[BATCH.structure]
    there = transform.lattice_translated(BATCH, shifts)
    assert torch.allclose(lengths(there), lengths(BATCH), atol=1e-9)
    with pytest.raises(ValueError, match="only along periodic directions"):
        transform.lattice_translated(BATCH, torch.ones_like(shifts))


def test_wrapping_puts_atoms_into_the_cell():
    crystal = transform.translated(cases.skewed_cell(), torch.tensor([31.0, -17.0, 8.0]).double())
    inside = transform.wrapped(crystal)
    fractional = inside.positions @ torch.linalg.inv(inside.cell[0])
    assert float(fractional.min()) > -1e-9
    assert float(fractional.max()) < 1
    assert torch.allclose(lengths(inside), lengths(crystal), atol=1e-9)
    assert torch.allclose(transform.wrapped(cases.water()).positions, cases.water().positions)
    slab = transform.wrapped(transform.translated(cases.slab(), torch.tensor([0, 40.0, 0]).double()))
    assert float(slab.positions[:, 1].min()) > 30


def test_another_choice_of_cell():
    change = torch.tensor([[1, 1, 0], [0, 1, 0], [2, 0, -1]])
    crystal = cases.skewed_cell()
    there = transform.recelled(crystal, change)
    assert torch.allclose(there.volume, crystal.volume)
    assert torch.allclose(lengths(there), lengths(crystal), atol=1e-9)
    with pytest.raises(ValueError, match="determinant ±1"):
        transform.recelled(crystal, 2 * torch.eye(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="periodic ones only"):
        transform.recelled(cases.slab(), change)


def test_strain_moves_atoms_and_cell_alike():
    strain = torch.tensor([[0.01, 0.02, 0], [0, -0.01, 0], [0.03, 0, 0.02]]).double()
    crystal = labelled(cases.rattled_rocksalt())
    there = transform.strained(crystal, strain)
    assert there.labels == {}
    before, after = (s.positions @ torch.linalg.inv(s.cell[0]) for s in (crystal, there))
    assert torch.allclose(before, after, atol=1e-12)
    assert float(there.volume) == pytest.approx(
        float(crystal.volume * torch.linalg.det(torch.eye(3) + strain))
    )


def test_strain_of_the_energy_is_the_virial():
    """For a pair energy Σ r², dE/dε is Σ_e v_i v_j · 2, whatever the cell."""
    crystal = cases.skewed_cell()
    strain = torch.zeros(1, 3, 3, dtype=torch.float64, requires_grad=True)
    graph = neighbour_graph(crystal, 4.0)
    v = graph.with_structures(transform.strained(crystal, strain)).vectors
    (found,) = torch.autograd.grad(v.square().sum(), strain)
    assert torch.allclose(found[0], 2 * graph.vectors.T @ graph.vectors, atol=1e-9)


def test_supercell_repeats_neighbours_and_labels():
    batch = labelled(BATCH)
    large, origin = transform.repeated(batch, (2, 1, 3))
    factor = [6 if all(p) else 1 if not any(p) else None for p in batch.pbc.tolist()]
    counts = large.counts.tolist()
    assert all(n == m * f for n, m, f in zip(counts, batch.counts.tolist(), factor, strict=True) if f)
    assert counts[3] == 4 * 6
    assert counts[6] == 2 * 3
    here, there = (neighbour_graph(s, 4.0).row_offsets.diff() for s in (batch, large))
    assert torch.equal(there, here[origin])
    assert torch.equal(large.labels["forces"], batch.labels["forces"][origin])
    copies = large.counts / batch.counts
    assert torch.allclose(large.labels["energy"], batch.labels["energy"] * copies)
    assert torch.equal(large.labels["gap"], batch.labels["gap"])
    assert torch.allclose(large.volume.nan_to_num(), (batch.volume * copies).nan_to_num())
    with pytest.raises(ValueError, match="at least once"):
        transform.repeated(batch, (0, 1, 1))


def test_heights_are_volume_over_face():
    cell = cases.skewed_cell().cell.numpy()
    found = heights(cell, cases.skewed_cell().pbc.numpy())[0]
    a, b, c = cell[0]
    faces = [np.cross(b, c), np.cross(c, a), np.cross(a, b)]
    assert found == pytest.approx([abs(np.linalg.det(cell[0])) / np.linalg.norm(f) for f in faces])
    chain = cases.chain()
    assert heights(chain.cell.numpy(), chain.pbc.numpy())[0] == pytest.approx(
        [1, 1, float(chain.cell[0, 2].norm())]
    )
