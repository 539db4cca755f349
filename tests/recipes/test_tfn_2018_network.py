"""The network of 2018: its equations written out atom by atom, its size, its symmetries, its long range."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.recipes.tfn_2018 import network, vote
from atomscape.testing import cases, laws

MOLECULES = ("ethanol", "chiral", "water", "diatomic", "isolated_atom")
ALL = ("H", "C", "N", "O", "F", "Cl", "Br")


def encoder(**options):
    """Random weights in float64, with biases that are not zero."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = network.build(network.Config(**{"elements": ALL, **options})).double()
        with torch.no_grad():
            for p in net.parameters():
                p.add_(0.2 * torch.randn_like(p))
    return net


def written_out(net, structures):
    """The equations, one pair and one channel at a time, in NumPy: scalars and vectors (y, z, x)."""
    c, weights = net.config, {k: v.detach().numpy() for k, v in net.state_dict().items()}
    x = structures.positions.numpy()
    kinds = net.classes[structures.numbers].numpy()
    s = weights["species.weight"][:, kinds].T + weights["species.bias"]
    v = np.zeros((len(x), 3, 0))

    def ssp(y):
        return np.log(0.5 * np.exp(y) + 0.5)

    def radial(path, d):
        g = np.exp(-((d - np.linspace(0, c.reach, c.n_radial)) ** 2) / (c.reach / c.n_radial))
        w = {k: weights[f"radial.{k}"][path] for k in ("first", "second")}
        b = {k: weights[f"radial.{k}_bias"][path, 0] for k in ("first", "second")}
        return np.maximum(g @ w["first"] + b["first"], 0) @ w["second"] + b["second"]

    for layer in range(c.layers):
        new_s, new_v = [], []
        for i in range(len(x)):
            sums = np.zeros((2, c.channels)), np.zeros((3, 3, c.channels))
            for j in range(len(x)):
                r = x[j] - x[i]
                d = np.sqrt(r @ r)
                unit = (r / d if d else r)[[1, 2, 0]]
                paths = ("00", "01") if layer == 0 else ("00", "110", "01", "10", "111")
                for p, path in enumerate(paths):
                    F = radial(p if layer == 0 else 5 * layer - 3 + p, d)
                    if path == "00":
                        sums[0][0] += F * s[j]
                    elif path == "110":
                        sums[0][1] += F * (unit @ v[j])
                    elif path == "01":
                        sums[1][0] += F * s[j] * unit[:, None]
                    elif path == "10":
                        sums[1][1] += F * v[j]
                    else:
                        sums[1][2] += F * np.cross(unit, v[j], axisb=0).T
            blocks = 1 if layer == 0 else 2
            new_s.append(sums[0][:blocks].reshape(-1))
            new_v.append(np.concatenate(sums[1][: 2 * blocks - 1], axis=1))
        s, v = np.array(new_s), np.array(new_v)
        if layer < c.layers - 1:
            w = {
                k.removeprefix(f"mix.{layer}."): q
                for k, q in weights.items()
                if k.startswith(f"mix.{layer}.")
            }
            u = v @ w["vector.weight"].T
            norm = np.sqrt(np.maximum((u**2).sum(1, keepdims=True), 1e-8))
            s, v = ssp(s @ w["scalar.weight"].T + w["scalar.bias"]), u * ssp(norm + w["gate_bias"]) / norm
    return s, v


@pytest.mark.parametrize("case", MOLECULES)
def test_it_is_the_equations(case):
    """Vectorised and written out agree to rounding."""
    net, molecule = encoder(channels=4), cases.everything[case]()
    found = net(neighbour_graph(molecule, net.cutoff))
    s, v = written_out(net, molecule)
    np.testing.assert_allclose(found.blocks[0, 0][:, 0].detach().numpy(), s, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.blocks[1, 0].detach().numpy(), v, rtol=1e-10, atol=1e-12)


def test_it_has_as_many_parameters_as_published():
    """With four elements network and heads have 3,050 numbers."""
    net = network.build(network.Config())
    head = vote.build(vote.Config(), net.irreps, (PROPERTIES["missing_atoms"],))
    assert sum(p.numel() for m in (net, head) for p in m.parameters()) == 3050
    assert str(net.irreps) == "30x0e+45x1e"


@pytest.mark.parametrize("case", MOLECULES)
def test_symmetries(case):
    """Rotation, translation, order of the atoms."""
    net, molecule = encoder(), cases.everything[case]()
    laws.check_rotation(net, molecule, case=case)
    laws.check_translation(net, molecule, case=case)
    laws.check_permutation(net, molecule, case=case)


def test_as_a_program():
    """Layers, single precision, the same weights from the same seed, saved and loaded."""
    ethanol = cases.ethanol()
    laws.check_layers(encoder(), ethanol)
    laws.check_alive(encoder(), ethanol)
    laws.check_single_precision(encoder(), ethanol)
    laws.check_same_twice(lambda: network.build(network.Config()), ethanol)
    laws.check_save_load(encoder, ethanol)
    laws.check_empty(encoder())


def test_gradients():
    """Derivatives are right; where vectors vanish, as at a lone atom, they are numbers."""
    laws.check_gradients(encoder(), cases.ethanol(), second=False, case="ethanol")
    net = encoder()
    net(neighbour_graph(cases.isolated_atom(), net.cutoff)).invariants().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())


def scalars_beside(net, distance):
    """Scalars of a carbon atom that has another one at so many Å."""
    pair = cases.molecule([6, 6], [[0, 0, 0], [distance, 0, 0]])
    return net(neighbour_graph(pair, net.cutoff)).scalars[0]


def test_distant_atoms_count_unless_there_is_a_cutoff():
    """Radial networks tend to a constant; the cutoff takes them to zero, smoothly."""
    net, short = encoder(), encoder(smooth_cutoff=5.0)
    near, far = scalars_beside(net, 15.0), scalars_beside(net, 25.0)
    alone = net(neighbour_graph(cases.molecule([6], [[0, 0, 0]]), net.cutoff)).scalars[0]
    torch.testing.assert_close(near, far)
    assert float((near - alone).abs().max().detach()) > 0.02
    assert short.cutoff == 5.0
    laws.check_large_separation(short, cases.ethanol(), cases.chiral())
    laws.check_cutoff_continuity(short, numbers=(8, 6, 1))


def test_strange_elements_are_refused():
    """One-hot vectors know no other element; the message says which."""
    net = network.build(network.Config())
    with pytest.raises(ValueError, match=r"knows the elements H, C, N, O; there is Br, Cl, F"):
        net(neighbour_graph(cases.chiral(), net.cutoff))
    with pytest.raises(ValueError, match="no chemical element"):
        network.Config(elements=("H", "Xx"))
