"""Training of potentials, part of ``training.py``: the E(n) network on LiPS, encoders, what heads cost.

LiPS has 83 atoms in a structure; energy and forces, batches of 8, 6 Å, all of a step counted, the building of
neighbour graphs too. Beside ours stand a figure measured once of the Open MatSciML Toolkit, which does not
install any more, and the same network in plain torch in the same run. Without ``ATOMSCAPE_DATA``, and with
``--quick``, molecules of the embedded sample take the place of LiPS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy

import numpy as np
import torch
from interleaved import race, threads_of_torch
from limits import threads as words
from measure import Row
from plain_egnn import PlainNetwork

from atomscape.data.load import load
from atomscape.learn.architecture import architecture_of
from atomscape.learn.config import RunConfig
from atomscape.learn.constants.fit import fit_heads
from atomscape.learn.model import Model
from atomscape.learn.objectives import term_sums, total_loss
from atomscape.learn.prepare import Prepared, prepare

QUESTION = "training"
BATCH, CUTOFF, NEIGHBOURS = 8, 6.0, 43.0
RECIPE_BATCH = 32  # molecules, as the recipes for QM9 take

PUBLISHED = {
    "matsciml's EGNN of 599,556 parameters (published)": 1 / 0.81,
    "matsciml's EGNN of 633,729 parameters (published)": 1 / 1.06,
}
"""CPU seconds per structure of energy and forces on LiPS in batches of 8, its data pipeline included.

Measured once on two cores after repairing the toolkit; of the second the best of several runs.
"""

EGNN = {
    "kind": "egnn",
    "channels": 128,
    "layers": 3,
    "n_radial": 0,
    "coordinates": 1,
    "update_channels": 384,
}
"""Three layers of 128 channels, as in the first published network; the other parameters are on atoms."""
ENCODERS = {
    "egnn, 64 channels, 3 layers": {"kind": "egnn", "channels": 64, "layers": 3},
    "schnet, 64 channels, 3 layers": {"kind": "schnet", "channels": 64, "layers": 3},
    "painn, 64 channels, 3 layers": {"kind": "painn", "channels": 64, "layers": 3},
    "vector_products, 64 channels, 2 layers": {"kind": "vector_products", "channels": 64, "layers": 2},
    "tfn to degree 1, 64 channels, 2 layers": {"kind": "tfn", "l_max": 1, "channels": 64, "layers": 2},
    "tfn to degree 2, 32 channels, 2 layers": {"kind": "tfn", "l_max": 2, "channels": 32, "layers": 2},
}
HEADS = ("gap", "dipole_norm", "isotropic_polarizability", "heat_capacity")

Step = Callable[[], float]


def rows(quick: bool, only: str, threads: Sequence[int]) -> Iterator[Row]:
    """Rows of all three parts."""
    source = _there("lips", quick)
    for count in threads:
        with threads_of_torch(count):
            for part in (_networks, _encoders, _heads):
                yield from part(source if part is not _heads else _there("qm9", quick), only, count, quick)


def _there(wanted: str, quick: bool) -> str:
    if quick:
        return "sample"
    try:
        load(wanted)
    except (LookupError, OSError):
        return "sample"
    return wanted


def _networks(source: str, only: str, count: int, quick: bool) -> Iterator[Row]:
    """Ours beside plain torch, and beside what was published."""
    case = f"{source}, energy and forces, egnn, 128 channels, 3 layers, {words(count)}"
    if only not in case:
        return
    encoder = EGNN | ({"channels": 16, "layers": 2} if quick else {})
    prepared, config = _prepared(source, encoder, ("energy", "forces"))
    ours = new_model(config, prepared)
    plain = deepcopy(ours)
    plain.encoder = PlainNetwork(plain.encoder)  # pyright: ignore[reportArgumentType]
    steps = {
        "": optimiser_steps(config, ours, prepared),
        "plain torch": optimiser_steps(config, plain, prepared),
    }
    first = {name: step() for name, step in steps.items()}
    error = f"{abs(first[''] / first['plain torch'] - 1):.1e}"
    taken = race(steps, count, 3 if quick else 7)
    note = f"{BATCH / taken['']:.3g} structures per {_second(count)}, {ours.n_parameters:,} parameters"
    theirs = taken["plain torch"] / BATCH
    yield Row(QUESTION, case, taken[""] / BATCH, "plain torch", theirs, error, note=note)
    if source == "lips" and count == 1:
        for peer, seconds in PUBLISHED.items():
            yield Row(QUESTION, case, taken[""] / BATCH, peer, seconds, note=note)


def _encoders(source: str, only: str, count: int, quick: bool) -> Iterator[Row]:
    """Encoders beside one another."""
    cases = {n: f"{source}, energy and forces, {n}, {words(count)}" for n in ENCODERS}
    cases = {n: case for n, case in cases.items() if only in case}
    if not cases:
        return
    first = next(iter(ENCODERS))
    steps = {}
    for n in {first, *cases}:
        prepared, config = _prepared(source, ENCODERS[n], ("energy", "forces"))
        steps[n] = optimiser_steps(config, new_model(config, prepared), prepared)
    taken = race(steps, count, 3 if quick else 7)
    for n, case in cases.items():
        note = f"{BATCH / taken[n]:.3g} structures per {_second(count)}"
        yield Row(QUESTION, case, taken[n] / BATCH, first, taken[first] / BATCH, note=note)


def _heads(source: str, only: str, count: int, quick: bool) -> Iterator[Row]:
    """One, two and four heads on one encoder; where one label is all there is, nothing can be said."""
    known = [p for p in HEADS if p in load(source).properties]
    encoder = ENCODERS["egnn, 64 channels, 3 layers"]
    for batch in (BATCH,) if quick else (BATCH, RECIPE_BATCH):
        named = f"{source}, egnn with {{}} heads, batches of {batch}, {words(count)}"
        cases = {n: named.format(n) for n in (2, 4) if n <= len(known)}
        cases = {n: case for n, case in cases.items() if only in case}
        if not cases:
            continue
        steps = {}
        for n in (1, *cases):
            prepared, config = _prepared(source, encoder, tuple(known[:n]))
            steps[n] = optimiser_steps(config, new_model(config, prepared), prepared, batch)
        taken = race({str(n): step for n, step in steps.items()}, count, 3 if quick else 15)
        for n, case in cases.items():
            note = f"{taken[str(n)] / taken['1']:.3f} times one head"
            yield Row(QUESTION, case, taken[str(n)] / batch, "one head", taken["1"] / batch, note=note)


def _second(count: int) -> str:
    return "CPU second" if count == 1 else "second"


def _prepared(source: str, encoder: dict, properties: Sequence[str]) -> tuple[Prepared, RunConfig]:
    size = 32 if source == "sample" else 128 if source == "qm9" else 64
    config = RunConfig.model_validate(
        {
            "name": "training",
            "data": [
                {
                    "name": "m",
                    "source": source,
                    "split": {"kind": "random", "train": size, "val": 1, "test": 1},
                }
            ],
            "encoder": {"cutoff": CUTOFF}
            | ({} if encoder["kind"] == "schnet" else {"average_neighbours": NEIGHBOURS})
            | encoder,
            "objectives": [{"property": p} for p in properties],
        }
    )
    return prepare(config), config


def new_model(config: RunConfig, prepared: Prepared) -> Model:
    torch.manual_seed(0)
    return Model(architecture_of(config, prepared.properties))


def optimiser_steps(config: RunConfig, model: Model, prepared: Prepared, batch: int = BATCH) -> Step:
    """A step of AdamW on the next batch, its graph built anew, as training does it; it returns the loss."""
    graphs = prepared.graphs("train", model.cutoff, 0.0)
    terms, _ = fit_heads(config, model, prepared)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    order = np.random.default_rng(0).permutation(len(graphs.counts))
    batches = [order[k : k + batch] for k in range(0, len(order) - batch + 1, batch)]
    turn = iter(range(10**9))
    model.train()

    def step() -> float:
        graph, dataset = graphs.batch(batches[next(turn) % len(batches)])
        optimiser.zero_grad(set_to_none=True)
        loss = total_loss(terms, term_sums(terms, model(graph, dataset), graph, dataset))
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step
