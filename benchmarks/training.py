"""How much faster do kernels make training? ``python benchmarks/training.py [--quick] [--json]``.

Optimiser steps of the tensor field network with a head for the gap, on molecules of QM9 (where there is
``ATOMSCAPE_DATA``, else, and with ``--quick``, on those of the embedded sample), once with every operation
forced to its reference and once with the back-ends that serve by default, in turns, from the same weights.
Times are per structure. ``training_lips`` adds potentials, several heads and several encoders,
``training_potentials`` other packages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import numpy as np
import torch
import training_lips
import training_potentials
from interleaved import race, threads_of_torch
from limits import threads as words
from measure import Row, command

from atomscape.data.load import load
from atomscape.learn.architecture import architecture_of
from atomscape.learn.config import RunConfig
from atomscape.learn.constants.fit import fit_heads
from atomscape.learn.graphs import GraphSet
from atomscape.learn.model import Model
from atomscape.learn.objectives import Term, term_sums, total_loss
from atomscape.learn.prepare import prepare
from atomscape.ops.op import REFERENCE, ops, watched

QUESTION = "training"
ENCODERS = {
    "l_max 1, 64 channels, 4 layers": {"l_max": 1, "channels": 64, "layers": 4, "cutoff": 4.5},
    "l_max 2, 64 channels, 3 layers": {"l_max": 2, "channels": 64, "layers": 3, "cutoff": 5.0},
    "l_max 3, 64 channels, 2 layers": {"l_max": 3, "channels": 64, "layers": 2, "cutoff": 5.0},
}
BATCH = 32


def run(quick: bool, only: str = "", threads: Sequence[int] = (1, 2)) -> Iterator[Row]:
    """Rows for every encoder and number of threads."""
    source, name = ("sample", "molecules of the sample") if quick else molecules()
    for count in threads:
        for encoder, options in ENCODERS.items():
            case = f"{name}, {encoder}, {words(count)}"
            if only in case:
                with threads_of_torch(count):
                    yield _row(case, _config(source, options, 64 if quick else 512), count, 3 if quick else 9)
    yield from training_lips.rows(quick, only, threads)
    yield from training_potentials.rows(quick, only, threads)


def molecules() -> tuple[str, str]:
    """Source with gaps, and its name."""
    try:
        load("qm9")
    except (LookupError, OSError):
        return "sample", "molecules of the sample"
    return "qm9", "QM9"


def _config(source: str, encoder: dict, size: int) -> RunConfig:
    return RunConfig.model_validate(
        {
            "name": "training",
            "data": [
                {
                    "name": "m",
                    "source": source,
                    "split": {"kind": "random", "train": size, "val": 1, "test": 1},
                }
            ],
            "encoder": {"kind": "tfn", **encoder},
            "objectives": [{"property": "gap", "dataset": "m", "loss": "mae"}],
        }
    )


def _row(case: str, config: RunConfig, count: int, rounds: int) -> Row:
    prepared = prepare(config)
    torch.manual_seed(0)
    ours = Model(architecture_of(config, prepared.properties))
    graphs = prepared.graphs("train", ours.cutoff, 1e9)
    terms, _ = fit_heads(config, ours, prepared)
    before = Model(architecture_of(config, prepared.properties))
    before.load_state_dict(ours.state_dict())
    default, reference = steps(ours, graphs, terms), steps(before, graphs, terms)

    def forced() -> float:
        with ExitStack() as stack:
            for op in ops().values():
                stack.enter_context(op.force(REFERENCE))
            return reference()

    with watched() as calls:
        first = default()
    error = f"{abs(first - (other := forced())) / abs(other):.1e}"
    taken = race({"": default, "reference": forced}, count, rounds)
    served = "; ".join(sorted({f"{c.op} {c.chosen}" for c in calls if c.chosen != REFERENCE})) or REFERENCE
    per_cpu = f"{BATCH / taken['']:.0f} structures per {'CPU second' if count == 1 else 'second'}"
    return Row(
        QUESTION,
        case,
        taken[""] / BATCH,
        "all references",
        taken["reference"] / BATCH,
        error,
        note=f"{per_cpu}; {served}",
    )


def steps(model: Model, graphs: GraphSet, terms: list[Term]) -> Callable[[], float]:
    """Return a step of AdamW on the next batch, as training does it; it returns the loss."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    order = np.random.default_rng(0).permutation(len(graphs.counts))
    batches = [order[k : k + BATCH] for k in range(0, len(order) - BATCH + 1, BATCH)]
    turn = iter(range(10**9))

    def step() -> float:
        graph, dataset = graphs.batch(batches[next(turn) % len(batches)])
        optimiser.zero_grad(set_to_none=True)
        loss = total_loss(terms, term_sums(terms, model(graph, dataset), graph, dataset))
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


if __name__ == "__main__":
    command(QUESTION, run, "structure", "only", "threads")
