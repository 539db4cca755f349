"""Run an experiment and keep its result: ``python scripts/experiment.py qm9_gap_tfn --seed 1 [key=value …]``.

The config is ``experiments/NAME/config.yaml``; the run lives in ``runs/NAME-seedN`` (resumed if it is there);
at its end its ``results.json`` is copied beside the config (as ``results-seedN.json`` for N > 0).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.recipe import load_config
from atomscape.learn.train import train

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Train, then file the result; 1 if the run was interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", help="folder under experiments/")
    parser.add_argument("overrides", nargs="*", help="key.sub=value; such a run is a trial and is not filed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="run folder")
    given = parser.parse_args()
    folder = ROOT / "experiments" / given.name
    config = load_config(folder / "config.yaml", [f"seed={given.seed}", *given.overrides])
    out = given.out or ROOT / "runs" / f"{given.name}-seed{given.seed}"
    results = train(config, out, resume=(out / "config.yaml").is_file())
    if results is None:
        return 1
    if not given.overrides:
        filed = "results.json" if given.seed == 0 else f"results-seed{given.seed}.json"
        write_atomic(folder / filed, (out / "results.json").read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
