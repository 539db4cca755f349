"""Forces of a whole encoder are −∂E/∂x by finite differences, whichever back-end serves; tabulated too.

The encoder is the tensor field network, because every operation with a back-end is in it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders.tfn import Config, build
from atomscape.nn.radial import with_radial_tables
from atomscape.ops.harmonics import spherical_harmonics
from atomscape.ops.op import watched
from atomscape.ops.radial_convolution import radial_convolution
from atomscape.testing import cases, laws
from atomscape.testing.compare import compare_derivatives, derivatives, readout
from atomscape.testing.op_laws import served_by

PARITIES = ("natural", "both", "so3")
CASES = ("mixed_batch", "fcc", "isolated_atom")


def encoder(parity: str, tabulated: bool = False, dtype=torch.float64):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = Config(
            l_max=2, channels=5, layers=2, cutoff=3.4, n_radial=5, radial_hidden=8, average_neighbours=3.0,
            parity=parity,
        )  # fmt: skip
        made = build(config).to(dtype)
    return with_radial_tables(made, 3.4) if tabulated else made


@pytest.mark.parametrize("tabulated", [False, True], ids=["network", "table"])
@pytest.mark.parametrize("parity", PARITIES)
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_forces_and_virial(backend, parity, tabulated):
    model, case = encoder(parity, tabulated), "rattled_rocksalt"
    with served_by(radial_convolution, backend), watched() as seen:
        laws.check_finite_difference(model, cases.everything[case](), case=case)
    assert {e.chosen for e in seen if e.op == "radial_convolution"} == {backend}


@pytest.mark.parametrize("parity", PARITIES)
@pytest.mark.parametrize("case", CASES)
def test_back_ends_agree(parity, case):
    """Every operation by its reference, or all by whoever serves."""
    model, structures = encoder(parity), cases.everything[case]()
    with served_by(radial_convolution, "reference"):
        expected = derivatives(model, structures)
    with watched() as seen:
        found = derivatives(model, structures)
    assert {e.chosen for e in seen if e.op in (radial_convolution.name, spherical_harmonics.name)} == {"cpu"}
    compare_derivatives("back-ends", case, expected, found, 1e-11)


@pytest.mark.parametrize("parity", PARITIES)
def test_training_on_forces(parity):
    """Gradients of a loss of energies and forces by every weight."""
    graph = neighbour_graph(cases.mixed_batch(), 3.4)

    def gradients() -> list[torch.Tensor]:
        model = encoder(parity)
        x = graph.structures.positions.clone().requires_grad_()
        moved = graph.with_structures(replace(graph.structures, positions=x))
        energy = readout(model, moved)
        (force,) = torch.autograd.grad(energy.sum(), x, create_graph=True)
        loss = energy.square().sum() + force.square().sum()
        weights = list(model.parameters())
        return list(torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True))

    with served_by(radial_convolution, "reference"):
        expected = gradients()
    found = gradients()
    largest = max(t.abs().max() for t in expected)
    assert largest > 0
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a, rtol=0, atol=1e-11 * largest.item())


@pytest.mark.parametrize("case", ["water", "diamond"])
def test_second_derivatives_of_a_tabulated_encoder(case):
    laws.check_gradients(encoder("natural", tabulated=True), cases.everything[case](), case=case)


@pytest.mark.parametrize("parity", PARITIES)
@pytest.mark.parametrize("case", ["rattled_rocksalt", "fcc", "mixed_batch"])
def test_a_tabulated_encoder_keeps_the_laws(parity, case):
    model, structures = encoder(parity, tabulated=True), cases.everything[case]()
    laws.check_rotation(model, structures, case=case)
    if parity != "so3":
        laws.check_reflection(model, structures, case=case)
    laws.check_permutation(model, structures, case=case)
    laws.check_translation(model, structures, case=case)


def test_a_tabulated_encoder_ends_smoothly():
    model = encoder("natural", tabulated=True)
    laws.check_cutoff_continuity(model, numbers=(8, 6, 1))
    laws.check_large_separation(model, cases.ethanol(), cases.chiral())
    laws.check_single_precision(model, cases.ethanol())
    laws.check_batch_alone(model, cases.mixed_batch())
