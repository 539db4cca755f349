"""From and to pymatgen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("pymatgen", reason="pymatgen is not installed (extra 'crystals')")

from pymatgen.core import Lattice, Molecule, Structure

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.pymatgen import from_pymatgen, to_pymatgen
from atomscape.atoms.structures import Structures
from atomscape.testing import cases


def test_round_trip():
    batch = Structures.concatenate([cases.rattled_rocksalt(), cases.slab(), cases.chain()])
    batch = batch.with_labels(
        forces=torch.randn(batch.n_atoms, 3, generator=torch.Generator().manual_seed(0)).double(),
        formation_energy=torch.tensor([-1.0, torch.nan, 2.0]).double(),
    )
    made = to_pymatgen(batch)
    assert [m.lattice.pbc for m in made] == [tuple(p) for p in batch.pbc.tolist()]
    assert "formation_energy" not in made[1].properties
    back = from_pymatgen(made)
    assert torch.allclose(back.positions, batch.positions, atol=1e-9)
    assert torch.allclose(back.cell, batch.cell, atol=1e-9)
    assert torch.equal(back.pbc, batch.pbc)
    for name in batch.labels:
        assert torch.allclose(back.labels[name], batch.labels[name], equal_nan=True)


def test_molecules_have_charge_and_spin():
    ion = Molecule(["O", "H"], [[0, 0, 0], [0, 0, 0.97]], charge=-1, spin_multiplicity=1)
    found = from_pymatgen(ion)
    assert found.labels["total_charge"].tolist() == [-1]
    assert found.labels["total_spin"].tolist() == [1]
    (back,) = to_pymatgen(found)
    assert isinstance(back, Molecule)
    assert (back.charge, back.spin_multiplicity) == (-1, 1)
    assert np.allclose(back.cart_coords, ion.cart_coords)


def test_neighbours_agree_with_pymatgen():
    structure = Structure(
        Lattice.from_parameters(3.1, 4.2, 5.3, 70, 95, 110), ["Ti", "O"], [[0, 0, 0], [0.4, 0.6, 0.5]]
    )
    centre, _, _, r = structure.get_neighbor_list(5.0)
    graph = neighbour_graph(from_pymatgen(structure), 5.0)
    assert np.bincount(graph.centre, minlength=2).tolist() == np.bincount(centre, minlength=2).tolist()
    assert np.allclose(np.sort(graph.vectors.norm(dim=1)), np.sort(r))


def test_oxidation_states_and_properties():
    structure = Structure(4.2 * np.eye(3), ["Mg2+", "O2-"], [[0, 0, 0], [0.5] * 3])
    structure.add_site_property("magmom", [0.5, None])
    structure.properties = {"e_above_hull": 0.1, "band_gap": 2.0, "note": "x", "empty": None}
    found = from_pymatgen([structure])
    assert found.numbers.tolist() == [12, 8]
    assert found.labels["energy_above_hull"].tolist() == [0.1]
    assert found.labels["gap"].tolist() == [2.0]
    assert found.labels["magnetic_moments"].isnan().tolist() == [False, True]
    assert found.labels.keys() == {"energy_above_hull", "gap", "magnetic_moments"}


def test_what_is_no_ordered_crystal_is_refused():
    with pytest.raises(ValueError, match="disordered"):
        from_pymatgen(Structure(4 * np.eye(3), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]]))
    with pytest.raises(ValueError, match="no element"):
        from_pymatgen(Structure(4 * np.eye(3), ["Xa"], [[0, 0, 0]]))
