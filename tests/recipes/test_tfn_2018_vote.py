"""The vote of 2018: counted by hand, turned with the molecule, refused where it has no answer, learned."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.corruptions.remove_atoms import without
from atomscape.learn.recipe import parse_config
from atomscape.learn.train import train
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.recipes.tfn_2018 import network, vote
from atomscape.testing import cases, head_laws
from atomscape.testing.compare import rotated

MISSING = (PROPERTIES["missing_atoms"],)


def head(irreps="30x0e+45x1e"):
    """Make a head, in float64, from a fixed seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return vote.build(vote.Config(), Irreps(irreps), MISSING).double()


def lacking(structures: Structures, *atoms: int) -> Graph:
    """Graph of structures without the atoms of these numbers, labelled with them."""
    chosen = torch.zeros(structures.n_atoms, dtype=torch.bool)
    chosen[list(atoms)] = True
    return neighbour_graph(without(structures, chosen), 30.0)


def test_votes_are_counted():
    """Water without a hydrogen, by hand: weights 3/4 and 1/4, places and types averaged with them."""
    graph = lacking(cases.water(), 2)
    scores = torch.tensor([[3.0], [1.0]]).log()
    v = torch.tensor([[0.1, 0.2, 0.3], [-0.4, 0.0, 0.8]])
    t = torch.tensor([[0.9, 0.0, 0.0, 0.2], [0.5, 0.4, 0.0, 0.2]])
    prediction = torch.cat([scores, v, t], 1).double()
    guess = head().guess(prediction, graph.structures)
    x = graph.structures.positions + v.double()
    place = 0.75 * x[0] + 0.25 * x[1]
    torch.testing.assert_close(guess.positions[0], place)
    torch.testing.assert_close(guess.elements[0], torch.tensor([0.8, 0.1, 0.0, 0.2]).double())
    off = (place - cases.water().positions[2]).square().sum() + 0.2**2 + 0.1**2 + 0.2**2
    torch.testing.assert_close(head().losses(prediction, graph), off.view(1) / 2)


@pytest.mark.parametrize(("off", "element", "wrong"), [(0.49, 1, 0), (0.51, 1, 1), (0.49, 8, 1)])
def test_right_is_near_and_of_the_element(off, element, wrong):
    """Half an ångström, and the element; else wrong."""
    graph = lacking(cases.water(), 1)
    target = cases.water().positions[1] + torch.tensor([0, 0, off])
    prediction = torch.zeros(2, 8, dtype=torch.float64)
    prediction[:, 1:4] = target - graph.structures.positions
    prediction[:, 4 + {1: 0, 8: 3}[element]] = 0.7
    assert head().errors(prediction, graph).tolist() == [wrong]
    proposed = head().proposals(prediction, graph, 3)
    assert proposed.numbers[0, 0] == element
    assert proposed.probabilities[0].tolist() == pytest.approx([0.7, 0.0, 0.0])
    torch.testing.assert_close(proposed.positions[0], target.expand(3, 3))


def test_the_guess_turns_and_moves_with_the_molecule():
    """Network and head together: the place turns and moves, the numbers of the elements stay."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = network.build(network.Config()).double()
        ballot = vote.build(vote.Config(), net.irreps, MISSING).double()

    def guess(s: Structures) -> vote.Guess:
        graph = neighbour_graph(s, net.cutoff)
        with torch.no_grad():
            return ballot.guess(ballot(net(graph), graph)["missing_atoms"], s)

    ethanol = cases.ethanol()
    R = random_rotation(1, generator=torch.Generator().manual_seed(2))[0]
    here, there = guess(ethanol), guess(rotated(ethanol, R))
    torch.testing.assert_close(there.positions, here.positions @ R.T)
    torch.testing.assert_close(there.elements, here.elements)
    moved = torch.tensor([[3.0, -2.0, 5.0]], dtype=torch.float64)
    away = replace(ethanol, positions=ethanol.positions + moved)
    torch.testing.assert_close(guess(away).positions, here.positions + moved)


@pytest.mark.parametrize("case", ["ethanol", "water", "isolated_atom"])
def test_laws_of_heads(case):
    """Its loss, on an example, keeps the laws that losses of heads keep."""
    irreps, s = Irreps("3x0e+4x1o"), cases.everything[case]()
    judged = head_laws.Judged(head("3x0e+4x1o"))
    head_laws.check_head_rotation(judged, irreps, s, case=case)
    head_laws.check_head_permutation(judged, irreps, s, case=case)
    head_laws.check_head_batch(judged, irreps, Structures.concatenate([s, cases.water()]), case=case)
    head_laws.check_head_gradient(judged, irreps, cases.water())


def test_where_nothing_is_missing_nothing_is_learned():
    """NaN loss and error; the others keep theirs, and gradients are numbers."""
    both = Structures.concatenate([cases.water(), cases.ethanol()])
    graph = lacking(both, 4)
    prediction = torch.full((graph.n_atoms, 8), 0.1, dtype=torch.float64, requires_grad=True)
    losses = head().losses(prediction, graph)
    assert losses.isfinite().tolist() == [False, True]
    assert head().errors(prediction, graph).isfinite().tolist() == [False, True]
    losses[1].backward()
    assert prediction.grad is not None
    assert bool(prediction.grad.isfinite().all())


def test_what_it_refuses():
    """Two missing atoms, structures that do not say, elements it does not know, other properties."""
    prediction = torch.zeros(7, 8, dtype=torch.float64)
    with pytest.raises(ValueError, match="finds one missing atom; here 2 are"):
        head().losses(prediction, lacking(cases.ethanol(), 1, 2))
    with pytest.raises(ValueError, match="remove one with"):
        head().losses(prediction, neighbour_graph(cases.ethanol(), 30.0))
    with pytest.raises(ValueError, match="there is Br"):
        head().losses(torch.zeros(4, 8), lacking(cases.chiral(), 4))
    with pytest.raises(ValueError, match="the vote is on missing_atoms"):
        vote.build(vote.Config(), Irreps("4x0e+4x1o"), (PROPERTIES["energy"],))
    with pytest.raises(ValueError, match="needs scalars and vectors; the encoder gives 4x0e"):
        head("4x0e")


def test_it_learns_by_its_dotted_path(tmp_path):
    """A few epochs of one removal per molecule: the loss falls; results say how many guesses are wrong."""
    config = parse_config(
        """
        data:
          - name: sample
            source: sample
            split: {kind: random, train: 60, val: 20, test: 20}
            corrupt: {kind: remove_atoms}
        encoder: {kind: atomscape.recipes.tfn_2018.network, elements: [H, C, N, O, F]}
        objectives:
          - property: missing_atoms
            head: {kind: atomscape.recipes.tfn_2018.vote, elements: [H, C, N, O, F]}
        training: {epochs: 20, batch: {structures: 4}, learning_rate: 0.01, ema: 0.0, weight_decay: 0.0}
        """
    )
    results = train(config, tmp_path / "run", console=Console(quiet=True))
    assert results is not None
    (metric,) = results.metrics["train"]
    assert (metric.property, metric.unit, metric.count) == ("missing_atoms", "wrong", 60)
    assert 0 < metric.mae <= 1
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["train_loss"] for line in lines]
    assert losses[-1] < 0.75 * losses[0]
