"""Dipoles of molecules: exact total charge, ions about their centre, smooth at zero, NaN where periodic."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.heads import dipole
from atomscape.nn.partial_charges import with_total
from atomscape.o3.irreps import Irreps
from atomscape.testing import cases
from atomscape.testing.head_laws import random_embedding

NATURAL = Irreps("5x0e+5x1o")


def head_for(name: str = "dipole", irreps: Irreps = NATURAL, **config):
    torch.manual_seed(1)
    return dipole.build(dipole.Config(**config), irreps, (PROPERTIES[name],)).double()


def predict(head, structures: Structures, irreps: Irreps = NATURAL):
    embedding = random_embedding(irreps, structures.n_atoms)
    return head(embedding, neighbour_graph(structures, 3.0))[head.provides[0].name].detach()


@pytest.mark.parametrize("share", ["uniform", "hardness"])
def test_the_charge_part_is_that_of_charges_that_add_up_to_the_total(share):
    ion = cases.water().with_labels(total_charge=torch.tensor([-2.0]))
    head = head_for(irreps=Irreps("5x0e"), share=share)
    x = random_embedding(Irreps("5x0e"), 3).invariants()
    q = head.charges(x, ion, torch.tensor([-2.0]), head.scale, head.references).detach()
    assert abs(float(q.sum()) + 2) < 1e-14
    mass = torch.tensor([15.999, 1.008, 1.008], dtype=torch.float64).unsqueeze(1)
    r = ion.positions - (mass * ion.positions).sum(0) / mass.sum()
    found = predict(head, ion, Irreps("5x0e"))
    torch.testing.assert_close(found, (q.unsqueeze(1) * r).sum(0, keepdim=True))


def test_what_is_missing_goes_to_soft_atoms():
    q = with_total(
        torch.zeros(3).double(), torch.tensor([0.0, 1.0, 3.0]).double(), torch.ones(1), cases.water()
    )
    torch.testing.assert_close(q, torch.tensor([0.0, 0.25, 0.75]).double())


def test_the_dipole_of_an_ion_depends_on_the_centre_and_that_of_a_molecule_does_not():
    ion = cases.water().with_labels(total_charge=torch.tensor([1.0]))
    of_mass, of_charge = head_for(), head_for(centre="nuclear_charge")
    torch.testing.assert_close(predict(of_mass, cases.water()), predict(of_charge, cases.water()))
    assert not torch.allclose(predict(of_mass, ion), predict(of_charge, ion))


def test_a_charge_that_is_not_known_or_not_read_is_zero():
    neutral = predict(head_for(), cases.water())
    unknown = cases.water().with_labels(total_charge=torch.tensor([torch.nan]))
    ion = cases.water().with_labels(total_charge=torch.tensor([1.0]))
    torch.testing.assert_close(predict(head_for(), unknown), neutral)
    torch.testing.assert_close(predict(head_for(reads=()), ion), neutral)
    assert not torch.allclose(predict(head_for(), ion), neutral)


def test_the_magnitude_is_that_of_the_vector_and_has_a_gradient_at_zero():
    vector, norm = head_for(), head_for("dipole_norm")
    difference = predict(vector, cases.ethanol()).norm(dim=1) - predict(norm, cases.ethanol())
    assert 0 < float(difference) <= dipole.SMOOTH
    norm.scale.fill_(0.0)
    x = random_embedding(NATURAL, 9)
    for block in x.blocks.values():
        block.requires_grad_()
    value = norm(x, neighbour_graph(cases.ethanol(), 3.0))["dipole_norm"]
    found = torch.autograd.grad(value, [*norm.parameters()], allow_unused=True)
    assert float(value.detach()) == 0
    assert all(bool(g.isfinite().all()) for g in found if g is not None)


def test_vectors_are_read_where_there_are_any():
    """A centre of inversion leaves no dipole of charges that are alike; vectors say otherwise."""
    assert head_for(irreps=Irreps("5x0e")).vectors is None
    here, flat = predict(head_for(), cases.isolated_atom()), Irreps("5x0e")
    assert bool((predict(head_for(irreps=flat), cases.isolated_atom(), flat) == 0).all())
    assert bool((here != 0).all())


def test_periodic_structures_have_none():
    mixed = Structures.concatenate([cases.water(), cases.rattled_rocksalt()])
    found = predict(head_for(), mixed)
    assert bool(found[0].isfinite().all())
    assert bool(found[1].isnan().all())


def test_the_fitted_scale_gives_dipoles_of_the_size_of_the_labels():
    head = head_for(irreps=Irreps("5x0e"))
    many = Structures.concatenate([cases.ethanol()] * 50)
    generator = torch.Generator().manual_seed(0)
    q = 0.3 * torch.randn(many.n_atoms, 1, generator=generator, dtype=torch.float64)
    mu = torch.zeros(50, 3, dtype=torch.float64).index_add(0, many.structure, q * head._from_centre(many))
    error = head.fit(many.with_labels(dipole=mu))
    assert abs(float(head.scale) - 0.3) < 0.05
    assert error == pytest.approx(float(mu.square().mean().sqrt()) / 9)


@pytest.mark.parametrize("name", ["energy", "forces", "polarization", "charges"])
def test_other_properties_are_refused(name):
    with pytest.raises(ValueError, match=f"gives dipole .* asked for .*{name}"):
        head_for(name)
