"""Head classes: probabilities, what mirror images do to them, labels that are no class."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.heads import classes
from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irreps
from atomscape.testing import cases
from atomscape.testing.cases import repeated
from atomscape.testing.head_laws import random_embedding

BOTH = Irreps("4x0e+4x1o+4x0o+4x1e")
NATURAL = Irreps("4x0e+4x1o")


def head(irreps=BOTH, **settings) -> classes.ClassHead:
    torch.manual_seed(0)
    config = classes.Config(**{"count": 5, "hidden": 16, **settings})
    return classes.build(config, irreps, (PROPERTIES["shape_class"],)).double()


def graph_of(structures, **labels):
    tensors = {k: torch.tensor(v, dtype=torch.float64) for k, v in labels.items()}
    return neighbour_graph(structures.with_labels(**tensors), 3.0)


def mirrored(embedding: Embedding) -> Embedding:
    """Blocks as after an inversion: those of odd parity change sign."""
    return Embedding({k: b * k[1] for k, b in embedding.blocks.items()})


def test_probabilities_add_up_to_one():
    s = cases.mixed_batch()
    log_p = head()(random_embedding(BOTH, s.n_atoms), neighbour_graph(s, 3.0))["shape_class"]
    assert log_p.shape == (len(s), 5)
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(len(s), dtype=torch.float64))


def test_a_supercell_has_the_probabilities_of_its_cell():
    s = cases.everything["rattled_rocksalt"]()
    large, origin = repeated(s, (2, 1, 3))
    e = random_embedding(BOTH, s.n_atoms)
    taken = Embedding({k: b[origin] for k, b in e.blocks.items()})
    h = head(chiral=True)
    here, there = h(e, neighbour_graph(s, 3.0)), h(taken, neighbour_graph(large, 3.0))
    torch.testing.assert_close(there["shape_class"], here["shape_class"], rtol=0, atol=1e-12)


def test_smoothed_labels_are_torchs():
    """Cross-entropy with label smoothing, as torch has it, for logits whose softmax these are."""
    s = cases.mixed_batch()
    labels = [float(k % 5) for k in range(len(s))]
    graph, smoothed = graph_of(s, shape_class=labels), head(smoothing=0.2)
    log_p = smoothed(random_embedding(BOTH, s.n_atoms), graph)["shape_class"]
    wanted = torch.nn.functional.cross_entropy(
        log_p, torch.tensor(labels).long(), reduction="none", label_smoothing=0.2
    )
    torch.testing.assert_close(smoothed.losses(log_p, graph), wanted)
    assert (smoothed.losses(log_p, graph) - head().losses(log_p, graph)).abs().max() > 1e-3


def test_mirror_images_are_apart_on_request_only():
    """Without ``chiral`` the answer is the same; with it pseudoscalars change sign and it is another."""
    s = cases.ethanol()
    e, g = random_embedding(BOTH, s.n_atoms), neighbour_graph(s, 3.0)
    plain, handed = head(), head(chiral=True)
    torch.testing.assert_close(plain(mirrored(e), g), plain(e, g), rtol=0, atol=1e-12)
    change = handed(mirrored(e), g)["shape_class"] - handed(e, g)["shape_class"]
    assert float(change.detach().abs().max()) > 1e-2


def test_an_encoder_without_pseudoscalars_is_no_encoder_for_chiral():
    with pytest.raises(ValueError, match=r"the encoder gives 4x0e\+4x1o.*parity: both"):
        head(NATURAL, chiral=True)


@pytest.mark.parametrize("name", ["energy", "charges", "dipole", "gap", "total_charge"])
def test_only_whole_numbers_of_structures_are_classes(name):
    with pytest.raises(ValueError, match="whole number without unit"):
        classes.build(classes.Config(), NATURAL, (PROPERTIES[name],))


def test_loss_and_error_are_of_the_labelled_class():
    """Cross-entropy and wrong or not; where nothing is labelled, nothing."""
    s = cases.mixed_batch()
    n = len(s)
    h = head(first=1)
    log_p = torch.log_softmax(torch.arange(5.0 * n, dtype=torch.float64).reshape(n, 5).sin(), 1)
    label = [1.0 + k % 5 for k in range(n - 1)] + [float("nan")]
    g = graph_of(s, shape_class=label)
    expected = torch.tensor([-float(log_p[k, k % 5]) for k in range(n - 1)] + [float("nan")]).double()
    torch.testing.assert_close(h.losses(log_p, g), expected, equal_nan=True)
    wrong = [float(int(log_p[k].argmax()) != k % 5) for k in range(n - 1)] + [float("nan")]
    torch.testing.assert_close(h.errors(log_p, g), torch.tensor(wrong).double(), equal_nan=True)


@pytest.mark.parametrize("label", [0.0, 6.0, 2.5])
def test_a_label_that_is_no_class_is_named(label):
    s = cases.water()
    g = graph_of(s, shape_class=[label])
    with pytest.raises(ValueError, match=rf"shape_class = {label:g} is none of the classes 1 … 5"):
        head(first=1).losses(torch.zeros(1, 5, dtype=torch.float64), g)


def test_trained_on_ambiguous_labels_it_gives_their_frequencies():
    """One structure, seven times labelled 0 and three times 2: the loss is least at these shares."""
    s = cases.water()
    e, h = random_embedding(BOTH, s.n_atoms), head()
    optimiser = torch.optim.Adam(h.parameters(), lr=0.03)
    g = {label: graph_of(s, shape_class=[float(label)]) for label in (0, 2)}
    for _ in range(150):
        optimiser.zero_grad()
        log_p = h(e, g[0])["shape_class"]
        loss = 0.7 * h.losses(log_p, g[0]).sum() + 0.3 * h.losses(log_p, g[2]).sum()
        loss.backward()
        optimiser.step()
    p = h(e, g[0])["shape_class"][0].exp()
    torch.testing.assert_close(p[[0, 2]], torch.tensor([0.7, 0.3]).double(), rtol=0, atol=0.02)
