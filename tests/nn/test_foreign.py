"""Networks in other processes: layout of features, derivatives across the border, and how processes end."""

from __future__ import annotations

import os
import pkgutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import foreign
from atomscape.find import find
from atomscape.nn.foreign.apart import Worker, features, worker
from atomscape.nn.foreign.encoder import ForeignEncoder
from atomscape.nn.foreign.interpreter import MODULES, PACKAGES, interpreter, missing
from atomscape.nn.foreign.layout import blocks_of, joined
from atomscape.nn.foreign.protocol import Board, anonymous_file
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.testing import cases

TOY = '''
import torch

class Features:
    """f_a = sum over edges of sin(Z x) and of |x|^2 x, of atoms a."""

    def described(self):
        return {"layers": ["3x0e", "1x1o"], "cutoff": 3.0, "elements": [1, 6]}

    model = torch.nn.Linear(1, 1)

    def to(self, dtype, device):
        pass

    def __call__(self, x, graph):
        numbers, centre, neighbour = (graph[k] for k in ("numbers", "centre", "neighbour"))
        if bool((numbers == 92).any()):
            raise ValueError("no uranium")
        zero = x.new_zeros(len(numbers), 3)
        first = zero.index_add(0, centre, torch.sin(numbers[neighbour, None] * x))
        return [first, zero.index_add(0, centre, x.square().sum(1, keepdim=True) * x)]

def build(options):
    if options.get("fail"):
        raise FileNotFoundError("there is no such model")
    return Features()
'''


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    """A file that plays another package's network."""
    file = tmp_path_factory.mktemp("foreign") / "toy_features.py"
    file.write_text(TOY)
    return file


@pytest.fixture(scope="module")
def running(toy):
    """A process in our own environment that plays another's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATOMSCAPE_PEER_MACE", sys.executable)
        process = Worker("mace", toy, {})
        yield process
        process.close()


GRAPH = {
    "numbers": torch.tensor([1, 6, 1]),
    "centre": torch.tensor([0, 0, 1, 2]),
    "neighbour": torch.tensor([1, 2, 0, 0]),
}


def vectors() -> torch.Tensor:
    """Four edges."""
    return torch.linspace(-1.0, 1.2, 12, dtype=torch.float64).view(4, 3).requires_grad_()


def reference(x: torch.Tensor) -> torch.Tensor:
    """What the toy computes, here."""
    numbers, centre, neighbour = GRAPH.values()
    zero = x.new_zeros(3, 3)
    first = zero.index_add(0, centre, torch.sin(numbers[neighbour, None] * x))
    return torch.cat([first, zero.index_add(0, centre, x.square().sum(1, keepdim=True) * x)], 1)


def test_features_and_two_derivatives_cross_the_border(running):
    x, y = vectors(), vectors()
    ours, theirs = reference(x), features(running, y, GRAPH, torch.float64)
    assert torch.equal(ours, theirs)
    weights = torch.linspace(0.1, 2, ours.numel(), dtype=torch.float64).view_as(ours).requires_grad_()
    again = weights.detach().clone().requires_grad_()
    (a,) = torch.autograd.grad((ours * weights).square().sum(), x, create_graph=True)
    (b,) = torch.autograd.grad((theirs * again).square().sum(), y, create_graph=True)
    assert torch.allclose(a, b, rtol=1e-12)
    loss, other = a.square().sum(), b.square().sum()
    for one, two in zip(
        torch.autograd.grad(loss, (x, weights)), torch.autograd.grad(other, (y, again)), strict=True
    ):
        assert torch.allclose(one, two, rtol=1e-10)


def test_single_precision_and_no_edges(running):
    x = vectors().detach()
    found = features(running, x, GRAPH, torch.float32)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), reference(x), atol=1e-6)
    none = torch.zeros(0, dtype=torch.int64)
    atom = {"numbers": torch.tensor([6]), "centre": none, "neighbour": none}
    alone = features(running, x[:0], atom, torch.float64)
    assert torch.equal(alone, torch.zeros(1, 6, dtype=torch.float64))


def test_what_goes_wrong_there_is_said_here(running, toy):
    with pytest.raises(RuntimeError, match="ValueError: no uranium"):
        features(running, vectors(), {**GRAPH, "numbers": torch.tensor([92, 1, 1])}, torch.float64)
    assert torch.equal(features(running, vectors(), GRAPH, torch.float64), reference(vectors()))
    with pytest.raises(RuntimeError, match="there is no such model"):
        Worker("mace", toy, {"fail": True})


def test_a_killed_process_is_named_and_replaced(running, toy, monkeypatch):
    monkeypatch.setenv("ATOMSCAPE_PEER_MACE", sys.executable)
    first = worker("mace", toy, {"who": 1})
    assert worker("mace", toy, {"who": 1}) is first
    os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"process of mace .* ended with signal SIGKILL when asked"):
        features(first, vectors(), GRAPH, torch.float64)
    second = worker("mace", toy, {"who": 1})
    assert second.pid != first.pid
    assert torch.equal(features(second, vectors(), GRAPH, torch.float64), reference(vectors()))
    second.close()


def test_an_answer_that_nobody_waited_for_is_not_that_of_the_next_request(toy, monkeypatch):
    monkeypatch.setenv("ATOMSCAPE_PEER_MACE", sys.executable)
    first = worker("mace", toy, {"who": 2})

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("atomscape.nn.foreign.apart.receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            features(first, 2 * vectors(), GRAPH, torch.float64)
    second = worker("mace", toy, {"who": 2})
    assert second.pid != first.pid
    assert torch.equal(features(second, vectors(), GRAPH, torch.float64), reference(vectors()))
    second.close()


def test_no_process_outlives_its_parent(toy):
    """Not even where the parent is killed."""
    code = (
        "import sys, os, signal; from pathlib import Path; from atomscape.nn.foreign.apart import Worker;"
        f"w = Worker('mace', Path({str(toy)!r}), {{}}); print(w.pid, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "ATOMSCAPE_PEER_MACE": sys.executable}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == -signal.SIGKILL, done.stderr
    child = int(done.stdout)
    for _ in range(300):
        if not _runs(child):
            return
        time.sleep(0.1)
    pytest.fail(f"process {child} is still there")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_package_that_seeds_torch_changes_nothing_here(monkeypatch):
    """As nequip does when it is imported beside us: seeds, and float64 for all that is made afterwards."""
    seen = []

    class Network:
        model = torch.nn.Linear(1, 1)

        def described(self):
            return {"layers": ["3x0e"], "cutoff": 3.0, "elements": [1]}

    def build(options):
        torch.manual_seed(options["seed"])
        torch.set_default_dtype(torch.float64)
        seen.append(torch.rand(()))
        return Network()

    played = types.SimpleNamespace(build=build)
    monkeypatch.setitem(sys.modules, "atomscape.nn.foreign.played_features", played)
    monkeypatch.setattr("atomscape.nn.foreign.encoder.importable", lambda package: True)
    before = torch.get_rng_state()
    encoder = ForeignEncoder(None, "mace", "played_features", {"seed": 5})
    assert seen[0].dtype == torch.float64
    assert encoder.precision.dtype == torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(FileNotFoundError, match=r"no file away\.model \(encoder\.file\), seen from"):
        ForeignEncoder(None, "mace", "played_features", {"file": "away.model"})


def test_a_network_that_is_here_goes_where_the_model_goes(monkeypatch):
    """On a device without memory, since every machine has that; tensors on two devices would not mix."""
    seen = []

    class Network:
        model = torch.nn.Linear(3, 2)

        def described(self):
            return {"layers": ["2x0e"], "cutoff": 3.0, "elements": [1, 6, 8], "reads": "structures"}

        def to(self, dtype, device):
            self.model.to(device, dtype)
            seen.append((dtype, device.type))

        def __call__(self, x, graph):
            return [self.model(x[: len(graph["numbers"])])]

    played = types.SimpleNamespace(build=lambda _: Network())
    monkeypatch.setitem(sys.modules, "atomscape.nn.foreign.played_features", played)
    monkeypatch.setattr("atomscape.nn.foreign.encoder.importable", lambda package: True)
    encoder = ForeignEncoder(None, "mace", "played_features", {})
    monkeypatch.setattr(encoder, "_refuse_strangers", lambda numbers: None)  # looks at values
    graph = neighbour_graph(cases.ethanol(), 3.0)
    assert encoder(graph).blocks[0, 1].device.type == "cpu"
    assert encoder.to("meta")(graph.to("meta")).blocks[0, 1].device.type == "meta"
    assert seen == [(torch.float32, "cpu"), (torch.float32, "meta")]


def test_arrays_of_every_kind_and_size():
    """A board grows, and holds what its last message says."""
    descriptor = anonymous_file()
    writer, reader = Board(descriptor), Board(descriptor)
    for size in (3, 0, 100_000, 5):
        arrays = {
            "a": np.arange(size, dtype=np.int64),
            "b": np.ones((size, 2), np.float32),
            "c": np.array(2.5),
        }
        found = reader.read(writer.write(arrays))
        assert all(np.array_equal(found[k], v) and found[k].dtype == v.dtype for k, v in arrays.items())
    os.close(descriptor)


def test_e3nn_features_become_ours():
    """Its harmonics, as features of two channels, are ours: order, sign and normalisation of every degree."""
    from e3nn import o3

    r = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    r = r / r.norm(dim=1, keepdim=True)
    ours, row = spherical_harmonics(r, 4), []
    for l in range(5):
        Y = o3.spherical_harmonics(l, r, normalize=True, normalization="component")
        row += [Y, -2 * Y]
    blocks = blocks_of(torch.cat(row, 1), "2x0e+2x1o+2x2e+2x3o+2x4e")
    for l in range(5):
        wanted = ours[:, l * l : (l + 1) ** 2]
        assert torch.allclose(blocks[l, (-1) ** l], torch.stack([wanted, -2 * wanted], 2), atol=1e-12)


def test_blocks_of_one_kind_are_joined():
    row = torch.arange(22.0).view(2, 11)
    blocks = blocks_of(row, "2x0e+2x1o+3x0e")
    assert blocks[0, 1].tolist() == [[[0, 1, 8, 9, 10]], [[11, 12, 19, 20, 21]]]
    assert blocks[1, -1][0].tolist() == [[3, 6], [4, 7], [2, 5]]  # y, z, x
    both = joined([{(0, 1): torch.zeros(1, 1, 2)}, blocks_of(row[:1], "11x0e")])
    assert both[0, 1].shape == (1, 1, 13)


def test_every_encoder_of_another_package_has_an_environment_to_be_had():
    """What ``scripts/peers.py`` can make is what encoders ask for, and each knows what to import."""
    asked = {find("encoders", f"foreign.{m.name}").PACKAGE for m in pkgutil.iter_modules(foreign.__path__)}
    assert asked == set(PACKAGES) == set(MODULES)


def test_interpreters_are_named_never_searched_for(monkeypatch, tmp_path):
    monkeypatch.delenv("ATOMSCAPE_PEER_MACE", raising=False)
    with pytest.raises(LookupError, match="ATOMSCAPE_PEER_MACE names no interpreter with mace-torch"):
        interpreter("mace")
    monkeypatch.setenv("ATOMSCAPE_PEER_MACE", str(tmp_path))
    assert "which is no interpreter" in missing("mace")
    with pytest.raises(LookupError, match="no peer 'nequp'; did you mean 'nequip'"):
        interpreter("nequp")
