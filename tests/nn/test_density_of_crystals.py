"""Position density in crystals: all images of an atom vote, and all images of a place are one place."""

import numpy as np
import pytest
import torch

from atomscape.atoms.nearest_image import nearest_image
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import lattice_translated, recelled, repeated
from atomscape.heads import complete
from atomscape.nn.peaks import peaks
from atomscape.nn.position_density import PositionDensity, bounded
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.o3.irreps import Irreps
from atomscape.testing.head_laws import random_embedding

IRREPS = Irreps("6x0e+6x1o+6x2e")
SKEWED = [[3.1, 0.0, 0.0], [1.4, 2.9, 0.0], [-0.6, 0.8, 3.4]]


def head_of(places: str, reach: float = 4.0):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = complete.Config(elements=("H", "C", "O"), hidden=8, reach=reach, places=places)
        return complete.build(config, IRREPS, (PROPERTIES["missing_atoms"],)).double()


def predicted(head, s: Structures, seed: int = 0):
    graph = neighbour_graph(s, 3.0)
    with torch.no_grad():
        return head(random_embedding(IRREPS, s.n_atoms, seed=seed), graph)["missing_atoms"], graph


def log_density(head, prediction, graph, x, z: int):
    """Log density of element z at points, in the frame of the only structure."""
    n = len(x)
    many = Structures.concatenate([graph.structures] * n)
    labels = {"missing_positions": x.unsqueeze(1), "missing_numbers": torch.full((n, 1), float(z))}
    return -head.losses(prediction.repeat(n, 1, 1), graph.with_structures(many.with_labels(**labels)))


@pytest.mark.parametrize("places", ["own", "shared"])
def test_every_image_in_reach_votes(places):
    """A small crystal is as the cluster of its images, each of which has its share of one vote."""
    head = head_of(places)
    crystal = Structures.of([[0.4, 0.1, 0.2], [1.9, 1.6, 1.5]], [6, 8], cell=SKEWED)
    prediction, graph = predicted(head, crystal)
    many, origin = repeated(crystal, (7, 7, 7))
    cluster = Structures.of(many.positions - 3 * crystal.cell[0].sum(0), many.numbers)
    x = torch.tensor([[1.0, 2.2, 0.9], [2.4, 0.4, 3.0]], dtype=torch.float64)
    for z in head.numbers:
        here = log_density(head, prediction, graph, x, z)
        there = log_density(head, prediction[origin], neighbour_graph(cluster, 3.0), x, z) + np.log(343)
        torch.testing.assert_close(here, there, atol=1e-6, rtol=0)
        pairs = head._pairs(graph.structures, x[:1], torch.tensor([6]), torch.tensor([0]))[1]
        assert len(pairs) > len(pairs.unique())  # an atom with several of its images


@pytest.mark.parametrize("places", ["own", "shared"])
def test_it_integrates_to_one_over_the_cell(places):
    head = head_of(places, reach=2.5)
    s = Structures.of([[0.4, 0.1, 0.2]], [6], cell=SKEWED)
    prediction, graph = predicted(head, s)
    prediction[..., 5:7] += 2.0  # wide shells, so that a coarse grid will do
    n = 10
    turns = torch.cartesian_prod(*[torch.arange(n, dtype=torch.float64) / n] * 3)
    x = turns @ s.cell[0]
    total = sum(log_density(head, prediction, graph, x, z).exp().mean() for z in head.numbers)
    assert float(total * s.volume[0]) == pytest.approx(1.0, abs=0.06)


def test_shared_places_differ_between_elements_in_weight_alone():
    head = head_of("shared")
    s = Structures.of([[0.4, 0.1, 0.2]], [6], cell=SKEWED)
    density = head.density(*predicted(head, s))
    for field in (density.mean, density.width, density.angular):
        assert field.shape[1] == 1
    assert density.log_weight.unique().numel() == len(head.numbers)
    assert head_of("own").net[-1].out_features > head.net[-1].out_features


def test_density_and_proposals_do_not_depend_on_the_images_that_are_named():
    head = head_of("own")
    s = Structures.of([[0.4, 0.1, 0.2], [1.9, 1.6, 1.5]], [6, 8], cell=SKEWED)
    moved = lattice_translated(s, torch.tensor([[2, -1, 0], [-3, 0, 5]]))
    other = recelled(s, torch.tensor([[1, 0, 0], [1, 1, 0], [0, -1, 1]]))
    x = torch.tensor([[1.0, 2.2, 0.9]], dtype=torch.float64)
    prediction, graph = predicted(head, s)
    first = head.proposals(prediction, graph, 2)
    for same, shift in ((moved, 0), (other, 0), (s, s.cell[0, 1] - 2 * s.cell[0, 2])):
        graph_of_same = neighbour_graph(same, 3.0)
        there = log_density(head, prediction, graph_of_same, x + shift, 6)
        torch.testing.assert_close(there, log_density(head, prediction, graph, x, 6))
        found = head.proposals(prediction, graph_of_same, 2)
        torch.testing.assert_close(found.probabilities[:, 0], first.probabilities[:, 0], atol=0.02, rtol=0)


def lobes(s: Structures, direction: list[float], distance: float) -> PositionDensity:
    """One atom that votes for oxygen at a distance, forwards and backwards alike."""
    u = torch.nn.functional.normalize(torch.tensor([direction], dtype=torch.float64), dim=1)
    c = torch.zeros(1, 1, 1, 8, dtype=torch.float64)
    c[..., 3:] = 100 * spherical_harmonics(u, 2)[0, 4:]
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    return PositionDensity(
        torch.tensor([8]), 0 * one[0], 0 * one, distance * one, 0.02 * one, bounded(c, 2), 2
    )


@pytest.mark.parametrize("start", [0.0, 0.1, 1.0, 2.0, 3.99, 7.3])
def test_votes_for_images_of_one_place_add_up(start):
    """An atom between two images of a place: half of its vote goes to each, and the place has all of it."""
    s = Structures.of([[start, 2.0, 2.0]], [22], cell=[4.0, 4.0, 4.0])
    alone = Structures.of([[start, 2.0, 2.0]], [22])
    density = lobes(s, [1, 0, 0], 2.0)
    free = peaks(density, alone, 2).probabilities[0].tolist()
    found = peaks(density, s, 2)
    assert free[0] == pytest.approx(free[1], abs=0.01)
    assert found.probabilities[0].tolist() == pytest.approx([sum(free), 0.0], abs=0.05)
    off = nearest_image(found.positions[0, :1] - torch.tensor([[start + 2.0, 2.0, 2.0]]), s.cell, s.pbc)
    assert off.norm() < 0.02


def test_a_place_whose_mass_is_split_between_images_outweighs_one_in_a_piece():
    s = Structures.of([[2.0, 2.0, 2.0]], [22], cell=[4.0, 4.0, 4.0])
    far, near = lobes(s, [1, 0, 0], 2.0), lobes(s, [0, 1, 0], 1.0)
    one_way = torch.zeros(1, 1, 1, 8, dtype=torch.float64)
    one_way[..., 0] = 100.0  # towards y
    both = PositionDensity(
        far.elements,
        far.log_weight,
        torch.tensor([[[0.56, 0.44]]], dtype=torch.float64).log(),
        torch.cat([far.mean, near.mean], 2),
        torch.cat([far.width, near.width], 2),
        torch.cat([far.angular, bounded(one_way, 2)], 2),
        2,
    )
    found = peaks(both, s, 1)
    torch.testing.assert_close(
        found.positions[0, 0], torch.tensor([0.0, 2.0, 2.0], dtype=torch.float64), atol=0.02, rtol=0
    )
    assert float(found.probabilities[0, 0]) > 0.5


def test_proposals_lie_in_the_cell():
    s = Structures.of([[17.0, -9.0, 2.0]], [22], cell=SKEWED)
    found = peaks(lobes(s, [1, 2, 1], 1.4), s, 3)
    turns = found.positions[0][found.numbers[0] > 0] @ torch.linalg.inv(s.cell[0])
    assert (turns > -1e-6).all()
    assert (turns < 1).all()


def test_a_slab_is_periodic_along_two_directions_only():
    """Across a slab a place has no image, along it it has."""
    cell = [[4.0, 0, 0], [0, 4.0, 0], [0, 0, 0]]
    s = Structures.of([[2.0, 2.0, 0.0]], [22], cell=cell)
    across, along = peaks(lobes(s, [0, 0, 1], 2.0), s, 2), peaks(lobes(s, [1, 0, 0], 2.0), s, 2)
    both = across.probabilities[0].tolist()
    assert both[0] == pytest.approx(both[1], abs=0.01)
    assert along.probabilities[0].tolist() == pytest.approx([sum(both), 0.0], abs=0.05)
    assert sorted(across.positions[0, :, 2].round().tolist()) == [-2.0, 2.0]
