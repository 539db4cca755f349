"""Filters of a network as data: what is drawn is what the network computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import schnet, tfn
from atomscape.nn.edges import edges
from atomscape.nn.radial import with_radial_tables
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.view.filters import (
    NEAREST,
    filter_scene,
    filter_slice,
    filter_values,
    radial_functions,
)


@pytest.fixture(scope="module")
def encoder() -> tfn.TensorFieldNetwork:
    """Two layers, degrees 0 and 1, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return tfn.build(tfn.Config(l_max=1, channels=3, layers=2, cutoff=3.0)).double()


def test_values_are_the_network_s(molecule, encoder):
    """At the lengths of a molecule's bonds, R is what the layer multiplies messages with."""
    graph = neighbour_graph(molecule("CH3OH"), 3.0)
    e = edges(graph, 3.0, 1, encoder.config.n_radial, torch.float64)
    functions = [f for f in radial_functions(encoder, 4001) if f.layer == 2]
    h, W, _ = encoder.layers[1].radial(e)
    exact = torch.einsum("ek,kpc->epc", h, W).detach().numpy()
    for k, function in enumerate(functions):
        for channel in range(3):
            found = function.at(e.lengths.numpy(), channel)
            assert np.allclose(found, exact[:, k, channel], atol=1e-5)


def test_paths_have_names(encoder):
    """In the order of the network's paths; parity letters where every degree has both."""
    names = [f.name for f in radial_functions(encoder)]
    assert names == ["0 ⊗ 0 → 0", "0 ⊗ 1 → 1", "0 ⊗ 0 → 0", "1 ⊗ 1 → 0", "0 ⊗ 1 → 1", "1 ⊗ 0 → 1"]
    both = tfn.build(tfn.Config(l_max=1, channels=2, layers=2, parity="both"))
    assert "1o ⊗ 1o → 1e" in {f.name for f in radial_functions(both)}


def test_the_main_function_is_what_channels_share(encoder):
    """Channels that are multiples of one function have it as their main one, with everything in it."""
    function = radial_functions(encoder)[0]
    shape = np.exp(-function.r)
    one = type(function)(1, function.path, "x", function.r, shape[:, None] * np.array([3.0, -4.0]))
    main, share = one.main()
    assert share == pytest.approx(1)
    assert np.allclose(main, shape * 5 / 2**0.5)
    assert one.at(np.array([7.0])) == 0


def test_filters_are_radial_functions_times_harmonics(encoder, rng):
    function = radial_functions(encoder)[1]
    places = rng.normal(size=(50, 3))
    Y = spherical_harmonics(torch.from_numpy(places), 1)[:, 1:].numpy()
    for m in (-1, 0, 1):
        found = filter_values(function, m, places, channel=1)
        assert np.allclose(found, function.at(np.linalg.norm(places, axis=1), 1) * Y[:, m + 1])
    with pytest.raises(ValueError, match="no order m = 2"):
        filter_values(function, 2, places)
    x, values = filter_slice(function, 0, points=21)
    assert values.shape == (21, 21)
    assert np.allclose(values, -values[::-1]), "odd in z"
    assert values[15, 10] == pytest.approx(filter_values(function, 0, np.array([[0, 0, x[15]]]))[0])


def test_surfaces_of_a_filter(encoder):
    """A layer per order; the dumbbell of degree 1 lies along its axis, its halves are mirror images."""
    scene = filter_scene(radial_functions(encoder)[1])
    assert [layer.name for layer in scene.layers] == ["m = −1", "m = 0", "m = 1"]
    assert [layer.name for layer in scene.seen()] == ["m = 0"]
    for layer, axis in zip(scene.layers, (1, 2, 0), strict=True):
        positive, negative = (m.vertices for m in layer.meshes)
        assert np.ptp(np.concatenate([positive, negative])[:, axis]) > 2 * NEAREST * 0.5
        assert np.allclose(np.sort(positive[:, axis]), np.sort(-negative[:, axis]), atol=1e-6)


def test_what_has_no_filters_is_told(encoder):
    with pytest.raises(TypeError, match="the encoder 'tfn' has"):
        radial_functions(schnet.build(schnet.Config()))
    with pytest.raises(ValueError, match="before it is tabulated"):
        radial_functions(with_radial_tables(encoder, 3.0))


def test_plots(encoder):
    """A panel per path with its channels and the main function; known functions are dashed."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed").use("agg")
    from matplotlib import pyplot

    from atomscape.view.radial_plot import radial_plot, slice_plot

    functions = radial_functions(encoder)
    figure = radial_plot(functions, {"0 ⊗ 1 → 1": functions[0].r})
    assert len(figure.axes) == 6
    assert [len(ax.lines) for ax in figure.axes] == [5, 6, 5, 5, 6, 5]
    assert figure.axes[0].get_title(loc="left") == "0 ⊗ 0 → 0"
    slices = slice_plot(functions, m=1)
    assert [ax.get_title() for ax in slices.axes] == ["0 ⊗ 1 → 1", "1 ⊗ 1 → 0", "0 ⊗ 1 → 1"]
    pyplot.close("all")
    with pytest.raises(ValueError, match="no filter of order m = 2"):
        slice_plot(functions, m=2)
    with pytest.raises(ValueError, match="no radial functions"):
        radial_plot([])
