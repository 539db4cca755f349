"""The labels that the physics recipes generate obey the laws they are to teach."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.learn.architecture import architecture_of
from atomscape.learn.labels.inputs import with_inputs
from atomscape.learn.model import Model
from atomscape.learn.prepare import prepare
from atomscape.o3.rotation import random_rotation
from atomscape.recipes import _filters, cross_product, dipole_field, elasticity, gravity, inertia


def rng():
    return np.random.default_rng(0)


def test_clouds_keep_their_distance():
    x = _filters.clouds(rng(), [30] * 5, 4.0, 0.5)
    assert min(_filters.separations(p)[1].min() for p in x) >= 0.5
    assert max(len(p) for p in x) <= 30
    assert np.abs(np.concatenate(x)).max() <= 2.0


def test_masses_fall_towards_each_other():
    """Two points, by hand; and in any cloud the forces add up to nothing."""
    a = gravity.accelerations(np.array([[0.0, 0, 0], [0, 0, 2.0]]), np.array([1.0, 3.0]))
    np.testing.assert_allclose(a, [[0, 0, 0.75], [0, 0, -0.25]])
    s = gravity.labelled(rng(), [12])
    m, a = s.labels["mass"], s.labels["acceleration"]
    torch.testing.assert_close((m[:, None] * a).sum(0), torch.zeros(3).double(), atol=1e-12, rtol=0)


def test_inertia_is_known_at_the_first_point_only():
    s = inertia.labelled(rng(), [15, 15])
    tensor = s.labels["inertia"]
    assert tensor[:, 0, 0].isfinite().nonzero().squeeze(1).tolist() == [0, 15]
    assert s.labels["mass"][[0, 15]].tolist() == [0, 0]
    x, m = s.positions[:15] - s.positions[0], s.labels["mass"][:15]
    assert tensor[0, 2, 2] == pytest.approx(float((m * (x[:, 0] ** 2 + x[:, 1] ** 2)).sum()))
    assert tensor[0, 0, 1] == pytest.approx(-float((m * x[:, 0] * x[:, 1]).sum()))


def test_a_dipole_is_twice_as_strong_ahead_as_beside():
    x = np.array([[0.0, 0, 0], [0, 0, 2.0], [2.0, 0, 0]])
    p = np.array([[0.0, 0, 1], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(dipole_field.fields(x, p), [[0, 0, 0], [0, 0, 2 / 8], [0, 0, -1 / 8]])


def test_a_current_makes_a_field_around_itself():
    x = np.array([[0.0, 0, 0], [2.0, 0, 0], [0, 2.0, 0]])
    v = np.array([[0.0, 0, 1], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(cross_product.fields(x, v), [[0, 0, 0], [0, 1 / 4, 0], [-1 / 4, 0, 0]])


def test_stress_is_that_of_voigt_and_turns_with_the_crystal():
    C11, C12, C44 = C = elasticity.CRYSTALS["bcc iron"][2]
    strain = torch.tensor([[[1.0, 0.3, 0.0], [0.3, 2.0, 0.0], [0.0, 0.0, -1.0]]], dtype=torch.float64)
    stress = elasticity.cubic_stress(strain, C)[0] / elasticity.GPA
    assert float(stress[0, 0]) == pytest.approx(C11 * 1 + C12 * (2 - 1))
    assert float(stress[0, 1]) == pytest.approx(2 * C44 * 0.3)
    assert float(stress[0, 2]) == 0
    s = elasticity.strained(torch.Generator().manual_seed(0), 1, turned=True)
    graph = neighbour_graph(s[0], 2.6)
    assert graph.n_edges == 12, "copper has twelve nearest neighbours, however it is turned"


def test_young_of_copper():
    """Published: 67 GPa along [001], 191 GPa along [111]."""
    axes = np.array([[0.0, 0, 1], [3**-0.5] * 3])
    found = elasticity.young(axes, elasticity.CRYSTALS["fcc copper"][2])
    np.testing.assert_allclose(found, [66.7, 191.1], rtol=0.01)


@pytest.mark.parametrize("module", [gravity, inertia, dipole_field, cross_product])
def test_the_network_turns_and_is_silent_without_sources(module, tmp_path):
    """Untrained already: what comes out turns, is linear, and is the same however the points are probed."""
    parts = {p: module.labelled(rng(), [6, 6]) for p in ("train", "val", "test")}
    law = module.LAW
    store = tmp_path / "data"
    card = _filters.Card(name="x", properties=_filters.records(*law.enters, law.comes_out))
    splits = {"train": np.arange(2), "val": np.arange(2, 4), "test": np.arange(4, 6)}
    _filters.write_store(store, list(parts.values()), card, splits)
    config = law.config(store, 0)
    prepared = prepare(config)
    architecture = architecture_of(config, prepared.properties)
    torch.manual_seed(0)
    model = Model(with_inputs(architecture, prepared.inputs, prepared.labelled)).double().eval()
    entering = law.enters[0]
    r = np.array([0.7, 1.1])
    one = 1.0 if not entering.shape else (0.0, 0.0, 1.0)
    up = _filters.answers(model, r, entering.name, one)
    twice = _filters.answers(model, r, entering.name, 2 * np.asarray(one))
    torch.testing.assert_close(twice, 2 * up)
    none = _filters.answers(model, r, entering.name, 0 * np.asarray(one))
    assert none.abs().max() == 0
    assert up.isfinite().all()


def test_pictures_need_matplotlib(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"atomscape\[plot\]"):
        _filters.draw([])


def test_errors_are_relative_to_the_function():
    r = np.linspace(1, 2, 5)
    c = _filters.Curve("F", "r", r, 1.1 * r, r)
    assert (c.error, c.largest) == (pytest.approx(10), pytest.approx(10))
    assert _filters.Curve("F", "0", r, 0.1 * r / r, 0 * r, size=2.0).error == pytest.approx(5)


def test_random_rotations_are_drawn_for_the_test_part_only():
    g = torch.Generator().manual_seed(0)
    still, turned = (elasticity.strained(g, 2, t).cell[0] for t in (False, True))
    assert torch.equal(still, elasticity.strained(g, 1, False).cell[0])
    assert not torch.allclose(still, turned)
    assert random_rotation(2, generator=g).shape == (2, 3, 3)
