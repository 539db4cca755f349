"""What a network can know of symmetry: mirror images of a crystal may have two space groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.point_symmetry import symmetry_elements
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.transform import rotated
from atomscape.data.card import records
from atomscape.data.sources import point_groups, space_groups
from atomscape.data.space_group_settings import found_group
from atomscape.encoders import tfn
from atomscape.find import find
from atomscape.learn.config import PlugIn
from atomscape.learn.model import Architecture, Model
from atomscape.learn.recipe import load_config

PAIRS = {76: 78, 152: 154, 212: 213}
"""Three of the eleven pairs of space groups that are mirror images: 4₁ and 4₃, 3₁21 and 3₂21, …"""


def answers(parity: str, chiral: bool):
    """Log p of 230 classes for a structure, by a random network in float64."""
    encoder = tfn.Config(l_max=2, channels=4, layers=3, cutoff=3.5, parity=parity, average_neighbours=8.0)
    encoder = encoder.model_copy(update={"unit_filters": parity != "natural"})
    module = find("heads", "classes")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = tfn.build(encoder).double().eval()
        config = module.Config(first=1, count=230, chiral=chiral)
        head = module.build(config, network.irreps, (PROPERTIES["space_group"],)).double()

    def ask(s):
        with torch.no_grad():
            graph = neighbour_graph(s, network.cutoff)
            return head(network(graph), graph)["space_group"]

    return ask


def number(s) -> int:
    cell, x = s.cell[0].numpy(), s.positions.numpy()
    return found_group(cell, x @ np.linalg.inv(cell), s.numbers.numpy(), 1e-4)


def test_mirrored_crystals_of_enantiomorphic_groups():
    """Spglib says another number; natural parity gives one answer to both, both parities give two."""
    pytest.importorskip("spglib")
    natural, both = answers("natural", False), answers("both", True)
    for group, partner in PAIRS.items():
        s = space_groups.made(group, 0)
        mirrored = rotated(s, -torch.eye(3, dtype=torch.float64))
        assert (number(s), number(mirrored)) == (group, partner)
        torch.testing.assert_close(natural(mirrored), natural(s), rtol=0, atol=1e-12)
        assert float((both(mirrored) - both(s)).abs().max()) > 1e-10


def test_a_point_group_is_that_of_the_mirror_image():
    """No label of point groups needs handedness: each group's mirror image is the same group, turned."""
    for label in range(0, len(point_groups.SYMBOLS), 5):
        s = point_groups.made(label, 0)
        x, z = s.positions.numpy(), s.numbers.numpy()
        assert len(symmetry_elements(-x, z)) == len(symmetry_elements(x, z))
        here, there = symmetry_elements(x, z), symmetry_elements(-x, z)
        assert {round(float(np.trace(g)), 6) for g in here} == {round(float(np.trace(g)), 6) for g in there}


@pytest.mark.parametrize("name", ["pretrain_point_groups", "pretrain_space_groups"])
def test_recipes_build_what_they_say(name):
    """The classes of the recipe are all the classes of the set, and the head fits the encoder."""
    config = load_config(name)
    (row,) = config.objectives
    assert row.head is not None
    first, count = row.head.options["first"], row.head.options["count"]
    sizes = {"point_group": (0, len(point_groups.SYMBOLS)), "space_group": (1, space_groups.GROUPS)}
    assert (first, count) == sizes[row.property]
    encoder = PlugIn(kind=config.encoder.kind, **config.encoder.options | {"average_neighbours": 10.0})
    predicts = records(row.property)[0]
    heads = ({"dataset": "shared", "predicts": predicts, "head": row.head},)
    made = Architecture.model_validate({"encoder": encoder, "heads": heads, "datasets": ("a",)})
    assert Model(made).n_parameters > 1000
