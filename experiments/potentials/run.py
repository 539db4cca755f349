"""Potentials side by side: ``python experiments/potentials/run.py TASK SIDE [--seed N]``.

TASK is 3bpa, lips, or an element of mlearn (Cu Ge Li Mo Ni Si). SIDE is an encoder of ours, or mace-torch or
nequip-package, whose interpreters ATOMSCAPE_PEER_MACE and ATOMSCAPE_PEER_NEQUIP name (``scripts/peers.py``).
Every side has the same minutes of CPU time on one thread. How many epochs they hold is measured first, in a
trial of its own that is thrown away; so the schedule ends with the budget. Then it trains, and is ended where
the budget is used up. The run lives in ``runs/`` and goes on where it was broken off. The result is filed as
``TASK-SIDE.json`` here. With ``--minutes`` or ``--limit`` it is a try, which is not filed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from budget import Spent, run_within
from judge import judged, nothing_learned
from sides import MACHINE, SIDES, Side
from tasks import HERE, TASKS, Task

from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.results import commit

TRIAL, MARGIN = 0.06, 0.95
"""Share of the budget that the trial takes; share of it that the schedule is made for."""

PATIENCE = 300.0
"""Seconds that a trial may take, whatever the budget; else two thirds of it."""


def main() -> int:
    """Plan, train, judge, file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--minutes", type=float, help="of CPU time; left out: the task's")
    parser.add_argument("--limit", type=int, help="frames of each part; left out: all")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    task, side = TASKS[given.task], SIDES[given.side]
    task = task if given.limit is None else task.limited(given.limit)
    minutes = given.minutes or task.minutes
    name = f"{given.task}-{given.side}" + (f"-seed{given.seed}" if given.seed else "")
    trial = "" if minutes == task.minutes else f"-{minutes:g}min"
    trial += f"-{given.limit}frames" if given.limit else ""
    folder = HERE.parent.parent / "runs" / f"potentials-{name}{trial}"
    (folder / "training").mkdir(parents=True, exist_ok=True)
    plan = planned(task, side, folder, 60 * minutes, given.seed)
    spent = Spent.read(folder / "training")
    if not spent.finished and spent.cpu_seconds < 60 * minutes:  # what is left after an attempt broken off
        command = side.command(task, folder / "training", plan["epochs"], given.seed)
        spent = run_within(command, folder / "training", 60 * minutes)
    predictions, about = side.predict(task, folder / "training", plan["epochs"], given.seed)
    result = {
        "task": given.task,
        "side": given.side,
        "seed": given.seed,
        "metrics": judged(task, predictions),
        "references_only": judged(task, nothing_learned(task)),
        "frames": {part: len(task.structures(part)) for part in ("train", "val", "test")},
        "budget_seconds": 60 * minutes,
        "cpu_seconds": round(spent.cpu_seconds, 1),
        "wall_seconds": round(spent.wall_seconds, 1),
        "attempts": spent.attempts,
        "schedule_ended": side.epochs(folder / "training") >= plan["epochs"],
        "epochs": side.epochs(folder / "training"),
        "plan": plan,
        "threads": 1,
        "fingerprints": task.prepared.fingerprints,
        "commit": commit(),
        "machine": MACHINE,
        **about,
    }
    text = json.dumps(without_paths(result, folder), indent=1, ensure_ascii=False) + "\n"
    write_atomic(folder / "results.json", text.encode())
    if not trial:
        write_atomic(HERE / f"{name}.json", text.encode())
    print(f"{given.task} {given.side}: {result['epochs']} epochs, {spent.cpu_seconds / 60:.1f} min CPU")
    for row in result["metrics"]:
        print(f"  {row['part']:8s} {row['property']:7s} MAE {1e3 * row['mae']:9.4g}  "
              f"RMSE {1e3 * row['rmse']:9.4g} m{row['unit']}")  # fmt: skip
    return 0


def planned(task: Task, side: Side, folder: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Epochs that fit into so many seconds, from a trial of at least two of them; measured once.

    Raises
    ------
    RuntimeError
        Not even two epochs were done in two thirds of the budget.
    """
    file = folder / "plan.json"
    if file.is_file():
        return json.loads(file.read_text())
    place = folder / "trial"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    seen: list[tuple[int, float]] = []

    def enough(used: float) -> bool:
        done = side.epochs(place)
        if done and (not seen or seen[-1][0] != done):
            seen.append((done, used))
        return len(seen) > 1 and used > TRIAL * seconds

    run_within(side.command(task, place, 1000, seed), place, max(2 * seconds / 3, PATIENCE), watch=enough)
    if len(seen) < 2:
        raise RuntimeError(f"{seconds / 60:g} minutes are too short: see {place}/output.txt")
    (first, start), (last, end) = seen[0], seen[-1]
    each = (end - start) / (last - first)
    before = max(0.0, start - first * each)
    plan = {
        "seconds_per_epoch": round(each, 3),
        "seconds_before": round(before, 2),
        "trial_epochs": last,
        "epochs": max(1, int((MARGIN * seconds - before) / each)),
    }
    shutil.rmtree(place)
    write_atomic(file, (json.dumps(plan) + "\n").encode())
    return plan


def without_paths(value: Any, folder: Path) -> Any:
    """The same data, with places on this machine left out."""
    if isinstance(value, dict):
        return {k: without_paths(v, folder) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(v, folder) for v in value]
    here = str(HERE.parent.parent)
    return value.replace(str(folder), "RUN").replace(here, "REPOSITORY") if isinstance(value, str) else value


if __name__ == "__main__":
    sys.exit(main())
