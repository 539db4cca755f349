"""Position density: it integrates to one, peaks where votes point, and turns with the structure."""

import numpy as np
import pytest
import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.heads import complete
from atomscape.nn.embedding import Embedding
from atomscape.nn.peaks import clouds
from atomscape.nn.position_density import Angular, bounded, sphere
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.testing import cases
from atomscape.testing.compare import rotated, turned
from atomscape.testing.head_laws import random_embedding

IRREPS = Irreps("6x0e+6x1o+6x2e+6x3o")


def made(structures: Structures, seed: int = 0):
    """A head with random weights, its prediction on random features, and the graph."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = complete.Config(elements=("H", "C", "O"), hidden=8)
        head = complete.build(config, IRREPS, (PROPERTIES["missing_atoms"],)).double()
    graph = neighbour_graph(structures, 3.0)
    embedding = random_embedding(IRREPS, structures.n_atoms, seed=seed)
    with torch.no_grad():
        return head, head(embedding, graph)["missing_atoms"], graph


def log_density_at(head, prediction, graph: Graph, x, z: int):
    """Log density of element z at points in the frame of the only structure."""
    n = len(x)
    many = Structures.concatenate([graph.structures] * n)
    labels = {"missing_positions": x.unsqueeze(1), "missing_numbers": torch.full((n, 1), float(z))}
    losses = head.losses(prediction.repeat(n, 1, 1), graph.with_structures(many.with_labels(**labels)))
    return -losses


def test_it_integrates_to_one_over_space_and_elements():
    head, prediction, graph = made(cases.water())
    generator = torch.Generator().manual_seed(0)
    s = graph.structures
    low, high = s.positions.amin(0) - 3.0, s.positions.amax(0) + 3.0
    x = low + (high - low) * torch.rand(6000, 3, generator=generator, dtype=torch.float64)
    volume = (high - low).prod()
    total = sum(log_density_at(head, prediction, graph, x, z).exp().mean() * volume for z in head.numbers)
    assert float(total) == pytest.approx(1.0, abs=0.08)  # Monte Carlo


@pytest.mark.parametrize("l_max", [1, 2, 3])
def test_the_rule_normalises_the_sharpest_angular_density(l_max):
    direction = torch.tensor([[0.3, -0.5, 0.81]], dtype=torch.float64)
    _, log_w, _ = sphere(l_max, torch.float64)

    values = []
    for turn in range(12):
        g = torch.Generator().manual_seed(turn)
        u = direction if turn == 0 else torch.randn(1, 3, generator=g, dtype=torch.float64)
        c = bounded(1e6 * spherical_harmonics(u, l_max)[:, 1:], l_max)
        values.append(float(Angular(c, l_max).log_normaliser()))
    assert max(values) - min(values) < 1e-4
    assert abs(float(log_w.exp().sum()) - 4 * np.pi) < 1e-10


def test_a_vote_in_one_direction_is_proposed_there():
    """One atom that is sure: distance 1.1 Å along a direction, an oxygen."""
    s = Structures.of([[1.0, 2.0, 3.0]], [6])
    head, prediction, graph = made(s)
    u = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    prediction = torch.zeros_like(prediction)
    prediction[:, 2, 0] = 12.0  # weight of oxygen
    prediction[:, 2, 1] = 12.0  # first shell
    target = torch.logit(torch.tensor(1.1 / head.config.reach, dtype=torch.float64))
    prediction[:, 2, 3] = target - 2 * torch.linspace(-1, 1, 4)[1]
    prediction[:, 2, 5] = -6.0  # narrow
    c = 30 * spherical_harmonics(u.unsqueeze(0), 3)[0, 1:]
    prediction[:, 2, 7 : 7 + 15] = c
    found = head.proposals(prediction, graph, 3)
    assert int(found.numbers[0, 0]) == 8
    assert float(found.probabilities[0, 0]) > 0.98
    assert (found.probabilities[0, 1:] < 0.02).all()
    np.testing.assert_allclose(found.positions[0, 0], (s.positions[0] + 1.1 * u).tolist(), atol=0.02)


def test_proposals_turn_with_the_structure():

    s = cases.ethanol()
    head, prediction, graph = made(s, seed=3)
    R = random_rotation(1, generator=torch.Generator().manual_seed(0))[0]
    blocks = random_embedding(IRREPS, s.n_atoms, seed=3).blocks
    there = rotated(s, R)
    with torch.no_grad():
        embedding = Embedding({(l, p): turned(b, l, p, R) for (l, p), b in blocks.items()})
        other = head(embedding, neighbour_graph(there, 3.0))["missing_atoms"]
    here_mass = clouds(head.density(prediction, graph), s)[0]
    there_mass = clouds(head.density(other, neighbour_graph(there, 3.0)), there)[0]
    for z in head.numbers:
        a, b = (_centre(c, z) for c in (here_mass, there_mass))
        np.testing.assert_allclose(R.numpy() @ a, b, atol=2e-3)


def _centre(cloud, z):
    x, w = cloud.of(cloud.elements.tolist().index(z))
    return w @ x


def test_elements_that_the_head_does_not_know_cost_the_floor():
    head, prediction, graph = made(cases.water())
    x = graph.structures.positions[:1] + 1.0
    assert float(-log_density_at(head, prediction, graph, x, 92)) == pytest.approx(30.0)


def test_images_vote_too():
    """In a crystal an atom near a face is placed by the atom behind the opposite face."""
    s = Structures.of([[0.2, 2.0, 2.0]], [6], cell=[4.0, 4.0, 4.0])
    head, prediction, graph = made(s)
    inside = torch.tensor([[3.5, 2.1, 2.2]], dtype=torch.float64)
    outside = inside - torch.tensor([4.0, 0.0, 0.0])
    a, b = (log_density_at(head, prediction, graph, x, 6) for x in (inside, outside))
    torch.testing.assert_close(a, b)
    assert float(a) > -20
