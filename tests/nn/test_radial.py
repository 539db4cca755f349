"""Radial networks as tables: values, slopes, the cutoff, what is tabulated and what is not."""

from __future__ import annotations

import pytest
import torch

from atomscape.encoders import schnet, tfn
from atomscape.nn.edges import Edges
from atomscape.nn.radial import RadialNetwork, RadialTable, tabulate, with_radial_tables
from atomscape.ops.radial import BASES, radial_basis
from atomscape.ops.radial_convolution import radial_weights

CUTOFF, INTERVALS = 5.0, 512


def network(hidden=32, dtype=torch.float64) -> RadialNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return RadialNetwork(8, hidden, paths=11, channels=4).to(dtype)


def edges(r: torch.Tensor) -> Edges:
    none = torch.zeros(len(r), dtype=torch.int64)
    return Edges(none, none, r, r.new_zeros(len(r), 1), radial_basis(r, CUTOFF, 8))


def weights(radial, r: torch.Tensor) -> torch.Tensor:
    return radial_weights(*radial(edges(r)))


def slopes(radial, r: torch.Tensor, of: int) -> torch.Tensor:
    r = r.clone().requires_grad_()
    return torch.autograd.grad(weights(radial, r)[:, of, 0].sum(), r)[0]


@pytest.mark.parametrize("hidden", [0, 32])
def test_values_are_those_of_the_network(hidden):
    radial = network(hidden)
    r = torch.linspace(0.3, CUTOFF, 4001, dtype=torch.float64)
    expected, found = weights(radial, r), weights(RadialTable(radial, CUTOFF, INTERVALS), r)
    assert (found - expected).abs().max() < 1e-6 * expected.abs().max()


def test_slopes_are_those_of_the_network():
    radial = network()
    r = torch.linspace(0.3, CUTOFF, 2001, dtype=torch.float64)
    table = RadialTable(radial, CUTOFF, INTERVALS)
    for path in (0, 10):
        expected = slopes(radial, r, path)
        assert (slopes(table, r, path) - expected).abs().max() < 1e-4 * expected.abs().max()


def test_more_intervals_are_better_by_the_fourth_power():
    radial, r = network(), torch.linspace(0.3, CUTOFF, 4001, dtype=torch.float64)
    expected = weights(radial, r)
    errors = [(weights(RadialTable(radial, CUTOFF, n), r) - expected).abs().max() for n in (64, 128)]
    assert 12 < errors[0] / errors[1] < 20


def test_value_and_slope_are_continuous_across_knots():
    table, step = RadialTable(network(), CUTOFF, 16), 1e-9  # coarse: only the second derivative may jump
    knots = torch.linspace(0, CUTOFF, 17, dtype=torch.float64)[1:-1]
    scale = table.table.abs().max()
    assert (weights(table, knots + step) - weights(table, knots - step)).abs().max() < 1e-7 * scale
    jump = slopes(table, knots + step, 3) - slopes(table, knots - step, 3)
    assert jump.abs().max() < 1e-6 * scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exactly_zero_from_the_cutoff_on(dtype):
    table = RadialTable(network(dtype=dtype), CUTOFF, INTERVALS)
    r = torch.tensor([CUTOFF, CUTOFF * (1 + 1e-6), 7.0, 100.0], dtype=dtype)
    assert weights(table, r).abs().max() < 1e-14
    assert not slopes(table, r[1:], 2).any()


def test_precision_is_the_networks_and_the_table_is_made_in_float64():
    single = RadialTable(network(dtype=torch.float32), CUTOFF, INTERVALS)
    double = RadialTable(network(dtype=torch.float32).double(), CUTOFF, INTERVALS)
    assert (single.table.dtype, double.table.dtype) == (torch.float32, torch.float64)
    assert torch.equal(single.table, double.table.float())


def test_a_copy_is_tabulated_and_saved_with_the_model():
    model = tfn.build(tfn.Config(channels=2, layers=2, cutoff=CUTOFF))
    made = with_radial_tables(model, CUTOFF, 64)
    assert not any(isinstance(m, RadialTable) for m in model.modules())
    assert not any(isinstance(m, RadialNetwork) for m in made.modules())
    assert sum(isinstance(m, RadialTable) for m in made.modules()) == 2
    assert "layers.0.radial.table" in made.state_dict()
    assert not any("radial" in name for name, _ in made.named_parameters()), "a table is not trained"


def test_a_module_without_radial_networks_is_refused():
    with pytest.raises(ValueError, match="has no radial network to tabulate; encoders whose filters"):
        with_radial_tables(schnet.build(schnet.Config(channels=4, layers=1)), CUTOFF)


@pytest.mark.parametrize("hidden", [0, 32])
@pytest.mark.parametrize("cutoff", [3.0, 6.0])
def test_filters_can_start_with_unit_mean_square(hidden, cutoff):
    """Over the sphere, paths and channels; without asking they start twenty times smaller."""
    r = torch.linspace(0, cutoff, 1001)
    none = torch.zeros(len(r), dtype=torch.int64)
    e = Edges(none, none, r, r.new_zeros(len(r), 1), radial_basis(r, cutoff, 8))
    found = {}
    with torch.random.fork_rng():
        for within in (cutoff, None):
            torch.manual_seed(1)
            R = radial_weights(*RadialNetwork(8, hidden, 40, 40, unit_within=within)(e)).detach()
            found[within] = float((r.square() @ R.square().mean((1, 2)) / r.square().sum()).sqrt())
    assert found[cutoff] == pytest.approx(1, abs=0.1)
    assert found[None] < 0.3


@pytest.mark.parametrize("basis", BASES)
def test_a_table_is_of_the_networks_own_functions(basis):
    """Gaussians in ln r as well as Bessel functions."""
    made = RadialNetwork(8, 0, paths=2, channels=3, basis=basis).double()
    values = tabulate(made, CUTOFF, 64)[::4].detach()
    h, W, _ = made.factors(BASES[basis](torch.linspace(0, CUTOFF, 65, dtype=torch.float64)[:-1], CUTOFF, 8))
    torch.testing.assert_close(values, radial_weights(h, W, None).detach())
