"""What equivariance is worth at equal CPU time: ``run.py TASK SIDE [--seed N]``.

TASK is 3bpa (energy and forces) or qm9 (gap and energy of 5,000 molecules). SIDE is mace, which is
equivariant, or attention, which is not. Both learn from structures turned anew in every epoch and are tested
on turned ones. Each has the same minutes of CPU time on one thread; epochs are planned by a trial, as in
``experiments/potentials``. The run lives in ``runs/`` and goes on where it was broken off; the result is
filed as ``TASK-SIDE-SEED.json`` here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "potentials"))

from budget import Spent, run_within  # noqa: E402
from run import planned  # noqa: E402
from sides import ENCODERS, MACHINE, lines, training_of  # noqa: E402

from atomscape.learn.checkpoint import load_model, write_atomic  # noqa: E402
from atomscape.learn.evaluate import evaluate_graphs  # noqa: E402
from atomscape.learn.prepare import prepare  # noqa: E402
from atomscape.learn.recipe import load_config  # noqa: E402
from atomscape.learn.results import commit  # noqa: E402

TASKS = {"3bpa": 5.0, "qm9": 5.0}
"""Cutoff in Å."""

ATTENTION = {"kind": "attention", "channels": 128, "layers": 3}
SIDES = {"mace": ENCODERS["mace"], "attention": ATTENTION}
RATES = {"3bpa": {"mace": 0.01, "attention": 0.006}, "qm9": {"mace": 0.002, "attention": 0.001}}
"""Learning rates: for each side the best of two to four on the validation part, in runs of 1.5 minutes."""

MINUTES = 8.0


@dataclass(frozen=True)
class Training:
    """One side on one task, as the potentials' comparison sees a side."""

    name: str
    side: str
    rate: float

    def command(self, task: Any, folder: Path, epochs: int, seed: int) -> Sequence[str | Path]:
        """The command that a user would give; called again, what continues."""
        encoder = {**SIDES[self.side], "cutoff": TASKS[self.name]}
        changes = [
            f"seed={seed}",
            f"encoder={encoder}",
            f"training.epochs={epochs}",
            f"training.learning_rate={self.rate}",
        ]
        return training_of(load_config(HERE / f"{self.name}.yaml", changes), folder)

    def epochs(self, folder: Path) -> int:
        """By the log."""
        return lines(folder / "run" / "metrics.jsonl")


def main() -> int:
    """Plan, train, file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of CPU time; others are not filed")
    parser.add_argument("--rate", type=float, help="learning rate; others than the side's are not filed")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    own = RATES[given.task][given.side]
    name, side = (
        f"{given.task}-{given.side}-{given.seed}",
        Training(given.task, given.side, given.rate or own),
    )
    trial = "" if given.minutes == MINUTES else f"-{given.minutes:g}min"
    trial += "" if side.rate == own else f"-rate{side.rate:g}"
    folder = HERE.parent.parent / "runs" / f"equivariance-{name}{trial}"
    (folder / "training").mkdir(parents=True, exist_ok=True)
    seconds = 60 * given.minutes
    plan: dict[str, Any] = planned(None, side, folder, seconds, given.seed)  # pyright: ignore[reportArgumentType]
    spent = Spent.read(folder / "training")
    if not spent.finished and spent.cpu_seconds < seconds:
        command = side.command(None, folder / "training", plan["epochs"], given.seed)
        spent = run_within(command, folder / "training", seconds)
    result = {
        "task": given.task,
        "side": given.side,
        "seed": given.seed,
        **tested(folder / "training"),
        "budget_seconds": seconds,
        "cpu_seconds": round(spent.cpu_seconds, 1),
        "schedule_ended": spent.finished,
        "epochs": side.epochs(folder / "training"),
        "plan": plan,
        "threads": 1,
        "commit": commit(),
        "machine": MACHINE,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    write_atomic(folder / "results.json", text.encode())
    if not trial:
        write_atomic(HERE / f"{name}.json", text.encode())
    print(f"{name}: {result['epochs']} epochs, {spent.cpu_seconds / 60:.1f} min CPU")
    for m in result["metrics"]:
        print(f"  {m['property']:20s} MAE {1e3 * m['mae']:.4g} RMSE {1e3 * m['rmse']:.4g} m{m['unit']}")
    return 0


def tested(folder: Path) -> dict[str, Any]:
    """Errors of the best weights on the turned structures of the test part."""
    config = load_config(folder / "asked.yaml")
    model, prepared = load_model(folder / "run" / "best.safetensors"), prepare(config)
    metrics, _ = evaluate_graphs(model, prepared.graphs("test", model.cutoff, 0.0))
    return {
        "metrics": [m.as_dict() for m in metrics],
        "parameters": model.n_parameters,
        "best_epoch": model.about["epoch"],
        "fingerprints": prepared.fingerprints,
        "settings": config.model_dump(mode="json", exclude_defaults=True),
    }


if __name__ == "__main__":
    sys.exit(main())
