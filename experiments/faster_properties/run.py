"""Error and time of trained models beside quantum chemistry: ``python experiments/faster_properties/run.py``.

Trains two models where they are not trained yet (10 minutes on one core; a run that was stopped goes on),
computes held-back molecules by GFN2-xTB and a few by the method of the labels, and writes ``results.json``.
Needs QM9 under ``ATOMSCAPE_DATA`` and the packages of the extra ``label``; all times are CPU times of one
thread, so run it with ``OMP_NUM_THREADS=1``.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import yaml
from chemistry import (
    Computed,
    against_labels,
    composition,
    computed,
    labels_of,
    least_squares,
    one_of_each_size,
)
from models import electronic_store, predicted, seconds, tabulated, trained

from atomscape import __version__
from atomscape.atoms.structures import Structures
from atomscape.data.load import load
from atomscape.data.splits import index_file_split
from atomscape.label.methods import dft_pyscf, gfn2_xtb
from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.results import commit

HERE = Path(__file__).parent
PACKAGES = ("torch", "numpy", "numba", "tblite", "pyscf")


def main() -> None:
    """Train, compute, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    default = HERE.parent.parent / "runs" / "faster_properties"
    parser.add_argument("--runs", type=Path, default=default, help="folder of the runs of the models")
    runs: Path = parser.parse_args().runs
    torch.set_num_threads(1)
    config = yaml.safe_load((HERE / "config.yaml").read_text(encoding="utf-8"))
    source, wall, cpu = commit(), time.time(), time.process_time()
    store = load("qm9")
    split = index_file_split(HERE / config["split"], store)
    rng = np.random.default_rng(config["seed"])
    parts = {part: store[rows] for part, rows in split.items()}
    timed = np.sort(rng.permutation(len(split["test"]))[: config["timed"]])
    electronic = electronic_store(store, np.concatenate(list(split.values())), runs / "qm9_electronic")
    models = {
        name: trained(HERE / path, runs / name, electronic if name == "energy" else None)
        for name, path in config["models"].items()
    }
    rows = {name: of_a_model(name, *made, runs / name, parts, timed, config) for name, made in models.items()}
    fits = of_xtb(rows, parts, timed, rng, config)
    few = one_of_each_size(parts["test"], config["heavy_atoms"], rng)
    dft = computed(dft_pyscf.build(dft_pyscf.Config()), few)
    for name, truth in labels_of(few).items():
        values = {"gap": dft.gap, "energy": dft.energy}[name]
        rows[name].append(row("dft_pyscf", values - truth, config, [(1, float(dft.seconds.mean()))], few))
    results = {
        "name": config["name"],
        "seed": config["seed"],
        "properties": rows,
        "fits": fits,
        "dft": against_labels(few, dft),
        "training": {name: training(made[1]) for name, made in models.items()},
        "levels": {m: b.build(b.Config()).level_of_theory for m, b in METHODS.items()},
        "counts": {part: len(chosen) for part, chosen in split.items()},
        "atoms": {"timed": float(parts["test"][timed].counts.double().mean())},
        "wall_seconds": round(time.time() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "threads": torch.get_num_threads(),
        "fingerprints": {"qm9": store.fingerprint},
        "versions": {"atomscape": __version__, "python": platform.python_version()}
        | {p: version(p) for p in PACKAGES},
        "commit": source,
        "machine": processor(),
        "config": config,
    }
    text = json.dumps(results, indent=1, ensure_ascii=False, default=float) + "\n"
    write_atomic(HERE / "results.json", text.encode())


METHODS = {"gfn2_xtb": gfn2_xtb, "dft_pyscf": dft_pyscf}


def of_a_model(name, model, told, run, parts, timed, config) -> list[dict]:
    """Rows of the baseline on composition alone, of a model, and of the model with tabulated filters."""
    train, test = parts["train"], parts["test"]
    elements = train.numbers.unique().tolist()
    truth = labels_of(test)[name]
    designs = [composition(part, elements) for part in (train, test)]
    if name == "gap":  # a gap does not grow with the molecule: fractions of the elements, and a constant
        designs = [np.c_[d / d.sum(1, keepdims=True), np.ones(len(d))] for d in designs]
    fitted = designs[1] @ least_squares(designs[0], labels_of(train)[name])
    rows = [row("composition", fitted - truth, config, [], test)]
    some = test[timed]
    for label, network in (("tfn", model), ("tfn, tables", tabulated(model, run))):
        errors = predicted(network, test, name, config["batch"]) - truth
        times = [
            (n, seconds(partial(predicted, network, some, name, n), len(some), config["repeats"]))
            for n in (1, config["batch"])
        ]
        rows.append(row(label, errors, config, times, test))
        print(json.dumps(rows[-1]), flush=True)
    return rows


def of_xtb(rows, parts, timed, rng, config) -> dict:
    """Add the rows of GFN2-xTB, as computed and fitted to labels of training molecules; returns the fits."""
    method = gfn2_xtb.build(gfn2_xtb.Config())
    train = parts["train"][np.sort(rng.permutation(len(parts["train"]))[: config["fit"]])]
    test = parts["test"]
    found: dict[str, Computed] = {"train": computed(method, train), "test": computed(method, test)}
    some = test[timed]
    times = [(1, seconds(partial(computed, method, some), len(some), config["repeats"]))]
    truth = {"train": labels_of(train), "test": labels_of(test)}
    line = least_squares(np.c_[found["train"].gap, np.ones(len(train))], truth["train"]["gap"])
    elements = train.numbers.unique().tolist()
    difference = truth["train"]["energy"] - found["train"].energy
    atoms = least_squares(composition(train, elements), difference)
    errors = found["test"].gap - truth["test"]["gap"]
    rows["gap"].append(row("gfn2_xtb", errors, config, times, test))
    errors = found["test"].gap * line[0] + line[1] - truth["test"]["gap"]
    rows["gap"].append(row("gfn2_xtb, fitted", errors, config, times, test))
    errors = found["test"].energy + composition(test, elements) @ atoms - truth["test"]["energy"]
    rows["energy"].append(row("gfn2_xtb, fitted", errors, config, times, test))
    unknown = int(sum(np.isnan(c.gap).sum() for c in found.values()))
    return {
        "molecules": len(train),
        "gap": {"slope": line[0], "shift": line[1]},
        "energy": dict(zip(map(str, elements), atoms.tolist(), strict=True)),
        "not_converged": unknown,
    }


def row(
    method: str, errors: np.ndarray, config: dict, times: list[tuple[int, float]], molecules: Structures
) -> dict:
    """One line of the table: mean absolute error in eV, its standard error, and CPU seconds per molecule."""
    known = np.abs(errors[np.isfinite(errors)])
    rng = np.random.default_rng(config["seed"])
    drawn = rng.integers(len(known), size=(config["bootstrap"], len(known)))
    return {
        "method": method,
        "mae": float(known.mean()),
        "standard_error": float(known[drawn].mean(1).std()),
        "largest": float(known.max()),
        "count": len(known),
        "atoms": float(molecules.counts.double().mean()),
        "seconds": {str(n): t for n, t in times},
    }


def training(told: dict) -> dict:
    """What is to be known of a model's training, from the results of its run."""
    keys = (
        "epochs",
        "best_epoch",
        "n_parameters",
        "model_hash",
        "cpu_seconds",
        "threads",
        "counts",
        "commit",
    )
    return {k: told[k] for k in keys} | {"test": told["metrics"]["test"]}


def processor() -> str:
    """Model of the processor, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {platform.system()}"


if __name__ == "__main__":
    main()
