"""Train on missing atoms of QM9 and keep the scores: ``python scripts/missing_atom.py NAME --seed 1``.

The config is ``experiments/NAME/config.yaml``, the split that of the seed. The run lives in
``runs/NAME-seedN`` and is resumed if it is there. At its end every atom of the molecules of each part of the
split is removed in turn and asked for. The scores join the run's ``results.json`` under ``missing_atoms``,
and that is filed beside the config (as ``results-seedN.json`` for N > 0). The recipe ``missing-atom`` does
the same for one network without the files of this repository.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from rich.console import Console

from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.recipe import load_config
from atomscape.learn.results import commit
from atomscape.learn.train import train
from atomscape.recipes.missing_atom import score

ROOT = Path(__file__).resolve().parent.parent


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
    torch.set_num_threads(1)
    results = json.loads((out / "results.json").read_text())
    scores = score(out, split, out / "scores", Console())
    results |= {"missing_atoms": scores, "scored_by": commit()}
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    if not given.overrides:
        filed = "results.json" if given.seed == 0 else f"results-seed{given.seed}.json"
        write_atomic(folder / filed, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
