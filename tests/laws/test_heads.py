"""Every head × the properties it accepts × laws. A head is here by being a file in ``heads/``."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.find import available, find
from atomscape.learn.objectives import own_loss
from atomscape.nn.last_layer import LastLayer, linear_at_last
from atomscape.o3.irreps import Irreps
from atomscape.testing import cases, head_laws

IRREPS = {
    "scalars": Irreps("5x0e"),
    "natural": Irreps("5x0e+5x1o+5x2e"),
    "both": Irreps("4x0e+4x1o+4x2e+4x0o+4x1e+4x2o"),
}
CASES = {
    k: cases.everything[k] for k in ("ethanol", "rattled_rocksalt", "isolated_atom", "slab", "mixed_batch")
}

ELSEWHERE = {"gradient"}
"""Heads that differentiate by positions, which random features do not have: see tests/heads."""

OF_THE_BATCH = {"decorrelate"}
"""Heads whose loss is a statistic of a whole batch, and says so."""


def _settings(name: str) -> list[dict]:
    """Default settings, every choice of a setting that offers choices, and no hidden layer where 0 is one."""
    fields = find("heads", name).Config.model_fields
    choices = [{k: v} for k, f in fields.items() for v in _choices(f.annotation) if v != f.default]
    linear = any(getattr(m, "ge", None) == 0 for f in [fields.get("hidden")] if f for m in f.metadata)
    return [{}, *choices, *([{"hidden": 0}] if linear else [])]


def _choices(annotation) -> list[str]:
    inner = [a for a in getattr(annotation, "__args__", ()) if a is not type(None)]
    flat = [x for a in inner for x in getattr(a, "__args__", (a,))]
    return [x for x in flat if isinstance(x, str)]


def _accepted(name: str, settings: dict, irreps: Irreps) -> list[Property]:
    module = find("heads", name)
    found = []
    for prop in PROPERTIES.values():
        try:
            module.build(module.Config(**settings), irreps, (prop,))
        except ValueError:
            continue
        found.append(prop)
    return found


def _kinds(name: str, settings: dict, irreps: Irreps) -> dict[str, Property]:
    """One property for each kind that a head may have to tell apart."""
    return {
        f"{p.per} {p.shape} {'extensive' if p.extensive else 'intensive'}": p
        for p in _accepted(name, settings, irreps)
    }


HEADS = {
    "-".join([name, *map(str, settings.values()), kind.replace(" ", "_"), irreps]): (
        name,
        settings,
        prop,
        irreps,
    )
    for name in available("heads")
    if name not in ELSEWHERE
    for settings in _settings(name)
    for irreps in (IRREPS if not settings else ["both"])  # choices are tried where there is most to read
    for kind, prop in _kinds(name, settings, IRREPS[irreps]).items()
}


def build(case: str):
    name, settings, prop, irreps = HEADS[case]
    module = find("heads", name)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        head = module.build(module.Config(**settings), IRREPS[irreps], (prop,)).double()
        with torch.no_grad():
            for buffer in head.buffers():
                if buffer.is_floating_point():
                    buffer.add_(torch.rand_like(buffer))
    return (head if own_loss(head) is None else head_laws.Judged(head)), IRREPS[irreps], prop


@pytest.fixture(params=HEADS)
def head(request):
    return build(request.param)


structures = pytest.mark.parametrize("case", CASES)


@structures
def test_rotation_and_reflection(head, case):
    head_laws.check_head_rotation(head[0], head[1], CASES[case](), case=case)


@structures
def test_permutation(head, case):
    head_laws.check_head_permutation(head[0], head[1], CASES[case](), case=case)


@pytest.mark.parametrize("case", ["rattled_rocksalt", "mixed_batch"])
def test_translation(head, case):
    lattice = not isinstance(head[0], head_laws.Judged)  # its example labels are made of positions
    head_laws.check_head_translation(head[0], head[1], CASES[case](), lattice=lattice, case=case)


def test_batch_is_alone(head, request):
    name, *_ = HEADS[request.node.callspec.params["head"]]
    if name in OF_THE_BATCH:
        with pytest.raises(AssertionError, match="head batch = alone law"):
            head_laws.check_head_batch(head[0], head[1], cases.mixed_batch())
    else:
        head_laws.check_head_batch(head[0], head[1], cases.mixed_batch())


@pytest.mark.parametrize("case", ["rattled_rocksalt", "slab", "mixed_batch"])
def test_extensivity(head, request, case):
    _, settings, prop, _ = HEADS[request.node.callspec.params["head"]]
    if isinstance(head[0], head_laws.Judged):
        pytest.skip("the loss of a head that judges itself is no property of matter")
    chosen = settings.get("pooling")
    if prop.per == "structure" and chosen is not None and (chosen == "sum") != prop.extensive:
        with pytest.raises(AssertionError, match="head extensivity law"):
            head_laws.check_head_extensivity(head[0], head[1], CASES[case](), case=case)
    else:
        head_laws.check_head_extensivity(head[0], head[1], CASES[case](), case=case)


@structures
def test_output(head, case):
    head_laws.check_head_output(head[0], head[1], CASES[case](), case=case)


def test_gradient(head):
    head_laws.check_head_gradient(head[0], head[1], cases.water())


def test_last_layer(head):
    if linear_at_last(head[0]) is None:
        pytest.skip("no last layer is shown")
    head_laws.check_head_last_layer(head[0], head[1], cases.mixed_batch())


def test_heads_were_found():
    assert {"scalar", "atom_scalar"} <= {name for name, *_ in HEADS.values()}
    assert {p.per for _, _, p, _ in HEADS.values()} == {"atom", "structure"}


def test_a_head_that_knows_where_the_origin_is_is_caught():
    class Broken(torch.nn.Module):
        provides = (PROPERTIES["dipole_norm"],)

        def forward(self, embedding, graph):
            s = graph.structures
            return {"dipole_norm": torch.zeros(len(s)).double().index_add(0, s.structure, s.positions[:, 0])}

    with pytest.raises(AssertionError, match="head translation law"):
        head_laws.check_head_translation(Broken(), IRREPS["natural"], cases.ethanol())


def test_a_frame_dependent_head_is_caught():
    """Reads the first component of a vector."""

    class Broken(torch.nn.Module):
        provides = (PROPERTIES["charges"],)

        def forward(self, embedding, graph):
            return {"charges": embedding.degree(1)[:, 0, 0]}

    with pytest.raises(AssertionError, match="head rotation law"):
        head_laws.check_head_rotation(Broken(), IRREPS["natural"], cases.ethanol())


@pytest.mark.parametrize("fault", ["part", "order"])
def test_a_last_layer_that_is_not_all_is_caught(fault):
    """One feature is left out, or features belong to other atoms."""
    head, irreps, prop = build("scalar-structure_()_extensive-natural")
    whole = head.last_layer

    def broken(embedding, graph):
        last = whole(embedding, graph)[prop.name]
        if fault == "part":
            return {prop.name: LastLayer(last.features[..., 1:], last.weights[1:])}
        return {prop.name: LastLayer(last.features.flip(0), last.weights)}

    head.last_layer = broken
    with pytest.raises(AssertionError, match="head last layer law"):
        head_laws.check_head_last_layer(head, irreps, cases.mixed_batch())
