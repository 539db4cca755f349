"""Laws of heads: predictions turn as their property says, add up if extensive, ignore batch mates."""

from __future__ import annotations

from dataclasses import replace

import torch

from atomscape.atoms.components import to_components
from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.learn.constants.own_fit import Partial
from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Tensor
from atomscape.testing import tolerances
from atomscape.testing.cases import repeated
from atomscape.testing.compare import compare, rotated, turned, turned_value

CUTOFF = 3.0


class Judged:
    """A head that brings its own loss, seen as one that predicts this loss: so the same laws hold for it."""

    provides = (Property("loss", "1", "structure", Irreps("0e"), False),)

    def __init__(self, head) -> None:
        self.head, self.name = head, head.provides[0].name

    def __call__(self, embedding: Embedding, graph: Graph) -> dict[str, Tensor]:
        """Loss of each structure, on the labels that the head gives as an example."""
        labelled = graph.with_structures(self.head.example(graph.structures))
        return {"loss": self.head.losses(self.head(embedding, labelled)[self.name], labelled)}


def random_embedding(
    irreps: Irreps, n_atoms: int, dtype: torch.dtype = torch.float64, seed: int = 0
) -> Embedding:
    """Blocks of random features, as an encoder might return them."""
    generator = torch.Generator().manual_seed(seed)
    return Embedding(
        {
            (ir.l, ir.p): torch.randn(n_atoms, ir.dim, mul, generator=generator, dtype=torch.float64).to(
                dtype
            )
            for mul, ir in irreps
        }
    )


def check_head_rotation(
    head, irreps: Irreps, structures: Structures, *, case: str = "", seed: int = 0
) -> float:
    """Features and structure turned or reflected: scalars stay, vectors and tensors turn, by their parity."""
    law, embedding = "head rotation", random_embedding(irreps, structures.n_atoms)
    R = random_rotation(1, generator=torch.Generator().manual_seed(seed))[0]
    here, worst = predict(head, embedding, structures), 0.0
    for Q in (R, -R):
        blocks = {(l, p): turned(b, l, p, Q) for (l, p), b in embedding.blocks.items()}
        there = predict(head, Embedding(blocks), rotated(structures, Q))
        for prop in head.provides:
            expected = turned_value(here[prop.name], prop, Q)
            worst = max(worst, compare(law, case, prop.name, expected, there[prop.name], _exact()))
    return worst


def check_head_permutation(
    head, irreps: Irreps, structures: Structures, *, case: str = "", seed: int = 0
) -> float:
    """Atoms in another order: predictions per atom follow, predictions per structure stay."""
    law, embedding = "head permutation", random_embedding(irreps, structures.n_atoms)
    key = torch.rand(structures.n_atoms, generator=torch.Generator().manual_seed(seed))
    order = torch.argsort(structures.structure + key)
    labels = {k: v[order] if structures.runs_over_atoms(k) else v for k, v in structures.labels.items()}
    s = replace(
        structures, positions=structures.positions[order], numbers=structures.numbers[order], labels=labels
    )
    here, there = predict(head, embedding, structures), predict(head, _taken(embedding, order), s)
    return max(
        compare(
            law,
            case,
            p.name,
            here[p.name][order] if p.per == "atom" else here[p.name],
            there[p.name],
            _exact(),
        )
        for p in head.provides
    )


def check_head_batch(head, irreps: Irreps, structures: Structures, *, case: str = "") -> float:
    """Predictions in a batch are those of each structure alone."""
    law, embedding = "head batch = alone", random_embedding(irreps, structures.n_atoms)
    together, alone = predict(head, embedding, structures), []
    for i, one in enumerate(structures):
        mine = (structures.structure == i).nonzero().squeeze(1)
        alone.append(predict(head, _taken(embedding, mine), one))
    return max(
        compare(law, case, p.name, torch.cat([a[p.name] for a in alone]), together[p.name], _exact())
        for p in head.provides
    )


def check_head_extensivity(
    head, irreps: Irreps, structures: Structures, *, times: tuple[int, int, int] = (2, 1, 3), case: str = ""
) -> float:
    """In a supercell with repeated features extensive predictions grow with the copies; all others stay."""
    law, embedding = "head extensivity", random_embedding(irreps, structures.n_atoms)
    large, origin = repeated(structures, times)
    copies = (large.counts / structures.counts).to(torch.float64)
    here, there, worst = (
        predict(head, embedding, structures),
        predict(head, _taken(embedding, origin), large),
        0.0,
    )
    for p in head.provides:
        value = here[p.name]
        grown = value * copies.view(-1, *[1] * (value.dim() - 1)) if p.extensive else value
        expected = value[origin] if p.per == "atom" else grown
        worst = max(worst, compare(law, case, p.name, expected, there[p.name], _exact()))
    return worst


def check_head_output(head, irreps: Irreps, structures: Structures, *, case: str = "") -> float:
    """All that is provided is predicted, in its shape, finite; a batch of nothing gives nothing."""
    law = "head output"
    for s in (structures, Structures.empty()):
        found = _answers(head, random_embedding(irreps, s.n_atoms), s)
        if set(found) != {p.name for p in head.provides}:
            raise AssertionError(
                f"{law} law, case {case!r}: {sorted(found)} instead of what the head provides"
            )
        for p in head.provides:
            shape = (s.n_atoms if p.per == "atom" else len(s), *p.shape)
            has = tuple(found[p.name].shape)
            if has != shape:
                raise AssertionError(f"{law} law, case {case!r}, {p.name}: shape {has} instead of {shape}")
            finite = found[p.name].isfinite().flatten(1) if p.shape else found[p.name].isfinite().view(-1, 1)
            if not bool((finite == _defined(head, s, p).view(-1, 1)).all()):
                raise AssertionError(f"{law} law, case {case!r}, {p.name}: not finite where it is defined")
    return 0.0


def check_head_gradient(head, irreps: Irreps, structures: Structures, *, case: str = "") -> None:
    """First and second derivatives by the features pass gradcheck, and every block is used."""
    embedding = random_embedding(irreps, structures.n_atoms)
    if not any(bool(_defined(head, structures, p).any()) for p in head.provides):
        return
    keys = list(embedding.blocks)
    inputs = tuple(embedding.blocks[k].clone().requires_grad_(True) for k in keys)
    graph = neighbour_graph(structures, CUTOFF)

    def value(*blocks: Tensor) -> tuple[Tensor, ...]:
        out = head(Embedding(dict(zip(keys, blocks, strict=True))), graph)
        return tuple(out[p.name] for p in head.provides)

    for law, check in (
        ("gradcheck", torch.autograd.gradcheck),
        ("gradgradcheck", torch.autograd.gradgradcheck),
    ):
        try:
            check(value, inputs, fast_mode=True, atol=1e-6, rtol=1e-5)
        except RuntimeError as error:
            raise AssertionError(f"head {law} law, case {case!r}: {error}") from error


def check_head_last_layer(head, irreps: Irreps, structures: Structures, *, case: str = "") -> float:
    """φ · w of the last layer is all of a prediction that features or last weights change, to rounding."""
    law, graph, worst = "head last layer", neighbour_graph(structures, CUTOFF), 0.0
    here = random_embedding(irreps, structures.n_atoms)
    there = random_embedding(irreps, structures.n_atoms, seed=1)
    for prop in head.provides:
        value, last = _with_last_layer(head, here, graph, prop)
        rest = value - last
        weights = head.last_layer(here, graph)[prop.name].weights.sum()
        trained = [p for p in head.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(weights, trained, materialize_grads=True)
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter, used in zip(trained, gradients, strict=True):
                change = torch.randn(used.shape, generator=generator, dtype=torch.float64)
                parameter.add_((used != 0) * change.to(parameter))
        value, last = _with_last_layer(head, there, graph, prop)
        worst = max(worst, compare(law, case, prop.name, rest + last, value, _exact()))
    return worst


def _with_last_layer(head, embedding: Embedding, graph: Graph, prop: Property) -> tuple[Tensor, Tensor]:
    """Components of a prediction, and the φ · w in it."""
    with torch.no_grad():
        value = to_components(prop, head(embedding, graph)[prop.name])
        last = head.last_layer(embedding, graph)[prop.name].predictions
    s = graph.structures
    return value, last if prop.per == "atom" else segment_sum(last, s.structure, len(s))


def check_head_translation(
    head, irreps: Irreps, structures: Structures, *, lattice: bool = True, case: str = "", seed: int = 0
) -> float:
    """Structures moved, with ``lattice`` also atoms by lattice vectors, features kept: nothing changes."""
    law, embedding = "head translation", random_embedding(irreps, structures.n_atoms)
    generator = torch.Generator().manual_seed(seed)
    away = 10 * torch.randn(len(structures), 3, generator=generator, dtype=torch.float64)
    cells = torch.randint(-2, 3, (structures.n_atoms, 1, 3), generator=generator).double()
    wrapped = (cells @ structures.cell[structures.structure]).squeeze(1) if lattice else 0.0
    moved = replace(structures, positions=structures.positions + away[structures.structure] + wrapped)
    here, there = predict(head, embedding, structures), predict(head, embedding, moved)
    return max(compare(law, case, p.name, here[p.name], there[p.name], _exact()) for p in head.provides)


def predict(head, embedding: Embedding, structures: Structures) -> dict[str, Tensor]:
    """Predictions without gradient, on the graph of ``CUTOFF`` Å; zero where the head has no answer."""
    found = _answers(head, embedding, structures)
    for p in head.provides:
        rows = _defined(head, structures, p).view(-1, *[1] * len(p.shape))
        found[p.name] = torch.where(rows | ~found[p.name].isnan(), found[p.name], 0.0)
    return found


def _answers(head, embedding: Embedding, structures: Structures) -> dict[str, Tensor]:
    graph: Graph = neighbour_graph(structures, CUTOFF)
    with torch.no_grad():
        return dict(head(embedding, graph))


def _defined(head, structures: Structures, p: Property) -> Tensor:
    """Rows of a property that the head has an answer for."""
    defined = torch.ones(len(structures), dtype=torch.bool)
    if isinstance(head, Partial):
        defined = head.defined(structures)
    return defined[structures.structure] if p.per == "atom" else defined


def _taken(embedding: Embedding, atoms: Tensor) -> Embedding:
    return Embedding({k: b[atoms] for k, b in embedding.blocks.items()})


def _exact() -> float:
    return tolerances.EXACT[torch.float64]
