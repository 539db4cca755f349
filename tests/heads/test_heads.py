"""Heads: what is extensive adds up, what is intensive does not, and gradients reach the encoder."""

import pytest
import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.heads import atom_scalar, scalar
from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irreps

IRREPS = Irreps("4x0e+4x1o")


def embedding_of(n, seed=0):
    g = torch.Generator().manual_seed(seed)
    return {
        (0, 1): torch.randn(n, 1, 4, generator=g, dtype=torch.float64),
        (1, -1): torch.randn(n, 3, 4, generator=g, dtype=torch.float64),
    }


def graph(counts):
    """A graph without edges: heads only ask for its structures."""
    n, none = sum(counts), torch.zeros(0, dtype=torch.int64)
    structures = Structures(
        torch.zeros(n, 3, dtype=torch.float64),
        torch.tensor([1, 6, 8] * n)[:n],
        torch.zeros(len(counts), 3, 3, dtype=torch.float64),
        torch.zeros(len(counts), 3, dtype=torch.bool),
        torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)),
    )
    return Graph(structures, none, none, none.view(0, 3), 5.0)


def head_for(name, **config):
    torch.manual_seed(0)
    module = atom_scalar if PROPERTIES[name].per == "atom" else scalar
    return module.build(module.Config(**config), IRREPS, (PROPERTIES[name],)).double()


def twice(blocks):
    return {k: torch.cat([v, v]) for k, v in blocks.items()}


def predict(head, blocks, counts):
    return next(iter(head(Embedding(blocks), graph(counts)).values()))


def test_an_extensive_property_doubles_with_the_system():
    head = head_for("energy")
    head.references[[1, 6, 8]] = torch.tensor([-13.0, -1000.0, -2000.0], dtype=torch.float64)
    head.scale.fill_(0.3)
    once, double = predict(head, embedding_of(3), [3]), predict(head, twice(embedding_of(3)), [6])
    torch.testing.assert_close(double, 2 * once)
    assert once < -3000, "the reference energies are in it"


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_an_intensive_property_does_not(pooling):
    head = head_for("gap", pooling=pooling)
    head.shift.fill_(5.0)
    once, double = predict(head, embedding_of(3), [3]), predict(head, twice(embedding_of(3)), [6])
    torch.testing.assert_close(double, once)


@pytest.mark.parametrize("pooling", ["sum", "mean", "attention"])
def test_a_batch_is_its_parts(pooling):
    head = head_for("gap", pooling=pooling)
    blocks = embedding_of(5)
    together = predict(head, blocks, [2, 3])
    first = predict(head, {k: v[:2] for k, v in blocks.items()}, [2])
    torch.testing.assert_close(together[:1], first)


def test_attention_weighs_atoms_differently_from_the_mean():
    blocks = embedding_of(3)
    plain, weighted = (
        predict(head_for("gap"), blocks, [3]),
        predict(head_for("gap", pooling="attention"), blocks, [3]),
    )
    assert (plain - weighted).abs() > 1e-3


def test_atom_scalars_come_one_per_atom_with_references():
    head = head_for("charges")
    head.references[6] = 7.0
    plain = predict(head_for("charges"), embedding_of(3), [3])
    torch.testing.assert_close(
        predict(head, embedding_of(3), [3]) - plain, torch.tensor([0.0, 7.0, 0.0]).double()
    )


def test_gradients_reach_every_block():
    blocks = {k: v.requires_grad_() for k, v in embedding_of(3).items()}
    gradients = torch.autograd.grad(predict(head_for("energy"), blocks, [3]).sum(), list(blocks.values()))
    assert all(g.abs().max() > 0 for g in gradients)


@pytest.mark.parametrize(
    ("module", "name"), [(scalar, "forces"), (scalar, "dipole"), (atom_scalar, "energy")]
)
def test_a_property_the_head_cannot_give_is_refused(module, name):
    with pytest.raises(ValueError, match=name):
        module.build(module.Config(), IRREPS, (PROPERTIES[name],))


def test_every_pooling_starts_from_the_fitted_shift():
    for pooling in ("sum", "mean", "attention"):
        head = head_for("gap", pooling=pooling)
        plain = predict(head, embedding_of(3), [3])
        head.shift.fill_(5.0)
        torch.testing.assert_close(
            predict(head, embedding_of(3), [3]) - plain, torch.full((1,), 5.0).double()
        )
