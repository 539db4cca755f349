"""Charges that add up, and forces that do: exactly, whatever the network says."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.heads import charges, direct_forces
from atomscape.o3.irreps import Irreps
from atomscape.testing import cases
from atomscape.testing.head_laws import random_embedding

IRREPS = Irreps("5x0e+5x1o")


def predict(module, name: str, s: Structures, irreps: Irreps = IRREPS, **config):
    torch.manual_seed(1)
    head = module.build(module.Config(**config), irreps, (PROPERTIES[name],)).double()
    head.scale.fill_(0.3)
    if module is charges:
        head.references[[1, 6, 8]] = torch.tensor([0.2, -0.1, -0.4], dtype=torch.float64)
    graph = neighbour_graph(s, 3.0)
    return head(random_embedding(irreps, s.n_atoms), graph)[name].detach()


@pytest.mark.parametrize("share", ["uniform", "hardness"])
def test_charges_add_up_to_the_label(share):
    """Of molecules and crystals, where nothing is known to zero."""
    s = Structures.concatenate([cases.water(), cases.ethanol(), cases.rattled_rocksalt()])
    s = s.with_labels(total_charge=torch.tensor([-1.0, torch.nan, 2.0]).double())
    q = predict(charges, "charges", s, share=share)
    total = torch.zeros(3).double().index_add(0, s.structure, q)
    torch.testing.assert_close(total, torch.tensor([-1.0, 0.0, 2.0]).double(), rtol=0, atol=1e-13)
    assert len(q.round(decimals=6).unique()) == s.n_atoms


def test_hardness_places_what_is_missing_where_it_is_learned_to_go():
    """An electron more: alike on all atoms, or not."""
    ion = cases.ethanol().with_labels(total_charge=torch.tensor([-1.0]).double())
    for share, alike in {"uniform": True, "hardness": False}.items():
        given = predict(charges, "charges", ion, share=share) - predict(
            charges, "charges", cases.ethanol(), share=share
        )
        assert float(given.sum()) == pytest.approx(-1)
        assert bool((given < 0).all())
        assert torch.allclose(given, given.mean()) == alike


def test_charges_of_a_dataset_without_the_label_are_neutral():
    ion = cases.water().with_labels(total_charge=torch.tensor([1.0]).double())
    q = predict(charges, "charges", ion, reads=())
    assert float(q.sum()) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("net", ["zero", "free"])
def test_direct_forces_add_up_to_nothing_in_every_structure(net):
    s = Structures.concatenate([cases.water(), cases.isolated_atom(), cases.rattled_rocksalt()])
    F = predict(direct_forces, "non_conservative_forces", s, net_force=net)
    total = torch.zeros(3, 3).double().index_add(0, s.structure, F).abs().amax(1)
    assert (total < 1e-13).tolist() == [net == "zero"] * 3
    assert float(F[:3].abs().min()) > 1e-4


def test_what_they_do_not_serve_is_said():
    with pytest.raises(ValueError, match=r"gives charges of atoms, in e; asked for \['gap'\]"):
        predict(charges, "gap", cases.water())
    with pytest.raises(ValueError, match=r"gives non_conservative_forces; asked for \['forces'\]"):
        predict(direct_forces, "forces", cases.water())
    with pytest.raises(ValueError, match=r"reads vectors \(1o\), .* such as tfn"):
        predict(direct_forces, "non_conservative_forces", cases.water(), Irreps("5x0e"))
