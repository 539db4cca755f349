"""Train on missing atoms of QM9 and keep the scores: ``python scripts/missing_atom.py NAME --seed 1``.

The config is ``experiments/NAME/config.yaml``, the split that of the seed. The run lives in
``runs/NAME-seedN`` and is resumed if it is there. At its end every atom of the molecules of each part of the
split is removed in turn and asked for. The scores join the run's ``results.json`` under ``missing_atoms``,
and that is filed beside the config (as ``results-seedN.json`` for N > 0).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from atomscape.data.load import load
from atomscape.data.splits import index_file_split
from atomscape.generate.scoring import ask, proposer, report
from atomscape.learn.checkpoint import load_model, write_atomic
from atomscape.learn.recipe import load_config
from atomscape.learn.results import commit
from atomscape.learn.train import train

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = ("val",)
"""Parts that chose the model; their scores would say nothing."""


def main() -> int:
    """Train, score, file the result; 1 if the run was interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", help="folder under experiments/")
    parser.add_argument("overrides", nargs="*", help="key.sub=value; such a run is a trial and is not filed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="run folder")
    given = parser.parse_args()
    folder = ROOT / "experiments" / given.name
    split = ROOT / "experiments" / "splits" / f"qm9_missing_atom_seed{given.seed}.json"
    settings = [f"seed={given.seed}", f"data.0.split.path={split}", *given.overrides]
    out = given.out or ROOT / "runs" / f"{given.name}-seed{given.seed}"
    config = load_config(folder / "config.yaml", settings)
    if train(config, out, resume=(out / "config.yaml").is_file()) is None:
        return 1
    results = json.loads((out / "results.json").read_text())
    results |= {"missing_atoms": score(out, split), "scored_by": commit()}
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    write_atomic(out / "scores.json", text.encode())
    if not given.overrides:
        filed = "results.json" if given.seed == 0 else f"results-seed{given.seed}.json"
        write_atomic(folder / filed, text.encode())
    return 0


def score(run: Path, split: Path) -> dict[str, Any]:
    """Scores on each part of a split, and the seconds that all removals of it took (wall, one process)."""
    torch.set_num_threads(1)
    qm9, propose, scores = load("qm9"), proposer(load_model(run)), {}
    for part, rows in index_file_split(split, qm9).items():
        if part in LEFT_OUT:
            continue
        begin = time.perf_counter()
        scores[part] = report(ask(propose, qm9, rows)) | {"seconds": round(time.perf_counter() - begin, 1)}
        shown = (scores[part][k]["value"] for k in ("accuracy", "balanced_accuracy", "distance_mae"))
        print("{:11s} right {:.2%}   mean over elements {:.2%}   off by {:.3f} Å".format(part, *shown))
    return scores


if __name__ == "__main__":
    sys.exit(main())
