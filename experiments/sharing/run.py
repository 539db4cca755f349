"""What sharing an encoder costs or gains: ``python experiments/sharing/run.py ENCODER SIZE [TASK]``.

ENCODER is schnet, egnn or tfn, SIZE 1k or 5k training molecules of QM9. Without TASK one encoder learns all
rows of ``config.yaml`` at once; with it that row alone. The run lives in ``runs/`` and is resumed if it is
there; its result is filed as ``SIZE-ENCODER-TASK.json`` here. Up to twenty minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from atomscape.find import suggest
from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.recipe import load_config
from atomscape.learn.train import train

HERE = Path(__file__).resolve().parent
ENCODERS = {
    "schnet": "{kind: schnet, channels: 128, layers: 3, cutoff: 5.0}",
    "egnn": "{kind: egnn, channels: 128, layers: 3, cutoff: 5.0}",
    "tfn": "{kind: tfn, l_max: 1, channels: 64, layers: 3, cutoff: 4.0}",
}
EPOCHS = {"1k": 120, "5k": 60}
FEWER = {("5k", "egnn"): 48}
"""Where that many epochs are more than twenty minutes on one core."""


def main() -> int:
    """Train one model and file its result; 1 if the run was interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("encoder", choices=ENCODERS)
    parser.add_argument("size", choices=EPOCHS)
    parser.add_argument("task", nargs="?", default="all")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    objectives = yaml.safe_load((HERE / "config.yaml").read_text(encoding="utf-8"))["objectives"]
    rows = {row["property"]: row for row in objectives}
    if given.task not in ("all", *rows):
        meant = suggest(given.task, list(rows))
        parser.error(f"no task {given.task!r}{meant} Tasks: all, {', '.join(rows)}.")
    name = f"{given.size}-{given.encoder}-{given.task}" + (f"-seed{given.seed}" if given.seed else "")
    config = load_config(
        HERE / "config.yaml",
        [
            f"name=sharing-{name}",
            f"seed={given.seed}",
            f"data.0.split.path={HERE.parent / 'splits' / f'qm9_{given.size}.json'}",
            f"encoder={ENCODERS[given.encoder]}",
            f"training.epochs={FEWER.get((given.size, given.encoder), EPOCHS[given.size])}",
            f"objectives={objectives if given.task == 'all' else [rows[given.task]]}",
        ],
    )
    out = HERE.parent.parent / "runs" / f"sharing-{name}"
    if train(config, out, resume=(out / "config.yaml").is_file()) is None:
        return 1
    write_atomic(HERE / f"{name}.json", (out / "results.json").read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
