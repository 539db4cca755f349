"""Error and time of trained models beside quantum chemistry: ``python experiments/faster_properties/run.py``.

Trains the model where it is not trained yet (10 minutes on one core), computes held-back molecules by
GFN2-xTB and a few by the method of the labels, and writes ``results.json``. A run that was stopped goes on.
Needs QM9 under ``ATOMSCAPE_DATA`` and the packages of the extra ``label``; all times are CPU times of one
thread, so run it with ``OMP_NUM_THREADS=1``.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from chemistry import (
    against_labels,
    composition,
    computed,
    labels_of,
    least_squares,
    one_of_each_size,
)
from models import predicted, seconds, tabulated, trained

from atomscape import __version__
from atomscape.atoms.structures import Structures
from atomscape.data.load import load
from atomscape.data.splits import index_file_split
from atomscape.label.methods import dft_pyscf, gfn2_xtb
from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.model import Model
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
    source = commit()
    store = load("qm9")
    split = index_file_split(HERE / config["split"], store)
    rng = np.random.default_rng(config["seed"])
    parts = {part: store[rows] for part, rows in split.items()}
    timed = np.sort(rng.permutation(len(split["test"]))[: config["timed"]])
    runs.mkdir(parents=True, exist_ok=True)
    models = {name: trained(HERE / path, runs / name) for name, path in config["models"].items()}
    train = parts["train"][np.sort(rng.permutation(len(parts["train"]))[: config["fit"]])]
    few = one_of_each_size(parts["test"], config["heavy_atoms"], rng)
    pieces = runs / f"pieces-{sha256(json.dumps(config).encode()).hexdigest()[:8]}"
    rows = {name: of_composition(name, parts, config) for name in ("gap", "energy")}
    for name, (model, _) in models.items():
        measure = partial(of_a_model, name, model, runs / name, parts["test"], timed, config)
        rows[name] += kept(pieces / f"{name}.json", measure)
    xtb = kept(pieces / "xtb.json", lambda: of_xtb(parts["test"], train, timed, config))
    dft = [kept(pieces / f"{one.ids[0]}.json", partial(of_dft, one)) for one in few]
    for name in rows:
        errors = np.array([m[f"{name}_error"] for m in dft]) / 1e3
        times = [(1, float(np.mean([m["seconds"] for m in dft])))]
        rows[name] += [*xtb["rows"][name], row("dft_pyscf", errors, config, times, few)]
    results = {
        "name": config["name"],
        "seed": config["seed"],
        "properties": rows,
        "fits": xtb["fits"],
        "dft": dft,
        "training": {name: training(made[1]) for name, made in models.items()},
        "levels": {m: b.build(b.Config()).level_of_theory for m, b in METHODS.items()},
        "counts": {part: len(chosen) for part, chosen in split.items()},
        "atoms": {"timed": float(parts["test"][timed].counts.double().mean())},
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


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What ``make`` returns, as a JSON file has it; the file is written when it is not there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(make(), default=float).encode())
        print(path, flush=True)
    return json.loads(path.read_text(encoding="utf-8"))


def of_composition(name: str, parts: dict[str, Structures], config: dict) -> list[dict]:
    """Row of the baseline: a linear regression on composition alone."""
    elements = parts["train"].numbers.unique().tolist()
    counts = {part: composition(parts[part], elements) for part in ("train", "test")}
    designs = {part: np.c_[c, np.ones(len(c))] for part, c in counts.items()}
    fitted = designs["test"] @ least_squares(designs["train"], labels_of(parts["train"])[name])
    return [row("composition", fitted - labels_of(parts["test"])[name], config, [], parts["test"])]


def of_a_model(
    name: str, model: Model, run: Path, test: Structures, timed: np.ndarray, config: dict
) -> list[dict]:
    """Rows of a model, and of the model with tabulated filters."""
    some, rows = test[timed], []
    for label, network in (("tfn", model), ("tfn, tables", tabulated(model, run))):
        errors = predicted(network, test, name, config["batch"]) - labels_of(test)[name]
        times = [
            (n, seconds(partial(predicted, network, some, name, n), len(some), config["repeats"]))
            for n in (1, config["batch"])
        ]
        rows.append(row(label, errors, config, times, test))
    return rows


def of_xtb(test: Structures, train: Structures, timed: np.ndarray, config: dict) -> dict:
    """Rows of GFN2-xTB, as computed and fitted to labels of training molecules, and the fits."""
    method = gfn2_xtb.build(gfn2_xtb.Config())
    some = test[timed]
    times = [(1, seconds(partial(computed, method, some), len(some), config["repeats"]))]
    known, found = computed(method, train), computed(method, test)
    truth, labels = labels_of(test), labels_of(train)
    line = least_squares(np.c_[known.gap, np.ones(len(train))], labels["gap"])
    elements = train.numbers.unique().tolist()
    atoms = least_squares(composition(train, elements), labels["energy"] - known.energy)
    on_a_line = found.gap * line[0] + line[1] - truth["gap"]
    with_atoms = found.energy + composition(test, elements) @ atoms - truth["energy"]
    return {
        "rows": {
            "gap": [
                row("gfn2_xtb", found.gap - truth["gap"], config, times, test),
                row("gfn2_xtb, fitted", on_a_line, config, times, test),
            ],
            "energy": [row("gfn2_xtb, fitted", with_atoms, config, times, test)],
        },
        "fits": {
            "molecules": len(train),
            "gap": {"slope": line[0], "shift": line[1]},
            "energy": dict(zip(map(str, elements), atoms.tolist(), strict=True)),
            "not_converged": int(np.isnan(known.gap).sum() + np.isnan(found.gap).sum()),
        },
    }


def of_dft(one: Structures) -> dict:
    """A molecule computed by the method of the labels, and how far it is from them."""
    return against_labels(one, computed(dft_pyscf.build(dft_pyscf.Config()), one))[0]


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
