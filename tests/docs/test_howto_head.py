"""The head of the page "Add a head" keeps the laws, refuses what it cannot do, and trains."""

from __future__ import annotations

# --8<-- shown
import pytest
import torch
from my_package import vector

from atomscape.atoms.properties import PROPERTIES
from atomscape.o3.irreps import Irreps
from atomscape.testing import cases, head_laws

IRREPS = Irreps("4x0e+4x1o+4x2e")


def head(irreps=IRREPS):
    """Make a head for dipoles, in float64."""
    torch.manual_seed(0)
    return vector.build(vector.Config(), irreps, (PROPERTIES["dipole"],)).double()


@pytest.mark.parametrize("case", ["ethanol", "rattled_rocksalt", "isolated_atom", "mixed_batch"])
def test_laws(case):
    """A vector turns with the structure, adds up over copies, and does not feel its batch mates."""
    structures = cases.everything[case]()
    assert head_laws.check_head_rotation(head(), IRREPS, structures, case=case) <= 1e-10
    assert head_laws.check_head_batch(head(), IRREPS, structures, case=case) <= 1e-10
    assert head_laws.check_head_output(head(), IRREPS, structures, case=case) <= 1e-10
    if structures.pbc.any():
        assert head_laws.check_head_extensivity(head(), IRREPS, structures, case=case) <= 1e-10


# --8<-- end


def test_derivatives():
    """First and second derivatives by the features."""
    irreps = Irreps("3x1o")
    assert head_laws.check_head_gradient(head(irreps), irreps, cases.water()) is None


def test_it_refuses_what_it_cannot_do():
    """Scalars as property, or an encoder without vectors."""
    with pytest.raises(ValueError, match="one vector per structure"):
        vector.build(vector.Config(), IRREPS, (PROPERTIES["energy"],))
    with pytest.raises(ValueError, match="the encoder gives 8x0e"):
        vector.build(vector.Config(), Irreps("8x0e"), (PROPERTIES["dipole"],))


def test_it_trains_by_its_dotted_path(tmp_path):
    """Named in an objective, it learns dipoles of the sample."""
    from rich.console import Console

    from atomscape.learn.recipe import parse_config
    from atomscape.learn.train import train

    config = parse_config(
        """
        data:
          - {name: sample, source: sample, split: {kind: random, train: 60, val: 20, test: 20}}
        encoder: {kind: tfn, l_max: 1, channels: 8, layers: 1, cutoff: 4.0}
        objectives:
          - {property: dipole, head: {kind: my_package.vector}}
        training: {epochs: 5, batch: {structures: 10}, learning_rate: 0.01, ema: 0.0}
        """
    )
    results = train(config, tmp_path / "run", console=Console(quiet=True))
    assert results is not None
    found = {part: results.metrics[part][0].mae for part in ("train", "test")}
    zero = results.baselines["mean"]["train"][0].mae
    assert found["train"] < zero
    assert (results.metrics["test"][0].property, results.metrics["test"][0].count) == ("dipole", 60)
