"""Train the model for molecules that ships, and score it where one to three atoms are missing.

``python scripts/missing_several.py`` runs ``experiments/missing_several/config.yaml`` in
``runs/missing_several`` (resumed if it is there), files the scores on held-back molecules beside the config,
and writes ``src/atomscape/models/molecules.safetensors``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from ase.data import chemical_symbols

from atomscape.data.load import load
from atomscape.generate.scoring import proposer
from atomscape.generate.several import score_several
from atomscape.learn.checkpoint import load_model, save_model, write_atomic
from atomscape.learn.prepare import prepare
from atomscape.learn.recipe import load_config
from atomscape.learn.results import commit
from atomscape.learn.train import train

ROOT = Path(__file__).resolve().parent.parent
CASES = ((1, False), (2, False), (3, False), (2, True), (3, True))
"""How many atoms are missing, and whether they are a group."""


def main() -> int:
    """Train, score, file the results, write the model; 1 if the training was interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "missing_several", help="run folder")
    parser.add_argument("--molecules", type=int, default=300, help="that are scored")
    given = parser.parse_args()
    folder = ROOT / "experiments" / "missing_several"
    config = load_config(folder / "config.yaml")
    if train(config, given.out, resume=(given.out / "config.yaml").is_file()) is None:
        return 1
    torch.set_num_threads(1)
    results = json.loads((given.out / "results.json").read_text())
    prepared, model = prepare(config), load_model(given.out)
    rows, propose = prepared.rows["qm9"]["test"][: given.molecules], proposer(model, 10)
    scores = []
    for missing, together in CASES:
        scores.append(score_several(propose, load("qm9"), rows, missing, together))
        shown = {k: v for k, v in scores[-1].items() if k != "calibration"}
        print(json.dumps(shown), flush=True)
    results |= {"missing_several": scores, "scored_by": commit()}
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    write_atomic(folder / "results.json", text.encode())
    present = prepared.structures["train"].numbers.unique().tolist()
    about = {
        "elements": [chemical_symbols[z] for z in present],
        "periodic": False,
        "dataset": "QM9 (CC0-1.0)",
    }
    about |= {"trained_by": "experiments/missing_several/config.yaml", "commit": results["commit"]}
    save_model(model, ROOT / "src" / "atomscape" / "models" / "molecules.safetensors", **about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
