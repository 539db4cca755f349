"""Measure every fixed representation: ``python experiments/representations/run.py`` writes ``results.json``.

Needs the data under ``ATOMSCAPE_DATA`` and the packages of the extra ``molecules``; some minutes on one core.
"""

from __future__ import annotations

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import yaml
from seeing import (
    bonding_read,
    bonds_of,
    built,
    cost,
    freedoms_seen,
    represented,
    shared,
    told_apart,
    violations,
)

from atomscape import __version__
from atomscape.atoms.structures import Structures
from atomscape.data.load import load
from atomscape.data.splits import index_file_split
from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.results import commit
from atomscape.units import convert
from learning import choose, distances, errors, median_distance, nearest, predicted, scaled

HERE = Path(__file__).parent
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "rdkit", "numba", "ase")
EXTENSIVE = ("energy_zero_kelvin",)
FEW = 6
"""Structures on which derivatives are taken one coordinate at a time."""


def main() -> None:
    """Run everything."""
    torch.set_num_threads(1)
    config = yaml.safe_load((HERE / "config.yaml").read_text(encoding="utf-8"))
    source, wall, cpu = commit(), time.time(), time.process_time()
    problems = [problem(p, config) for p in config["problems"]]
    asked = {name: given for p in config["problems"] for name, given in p["representations"].items()}
    stores = {name: some(load(name), config) for name in config["universality"]}
    results = {
        "name": "representations",
        "seed": config["seed"],
        "problems": problems,
        "universality": {
            name: {d: represented(name, given, s) for d, s in stores.items()} for name, given in asked.items()
        },
        "told_apart": {name: told_apart(built(name, _open(given))) for name, given in asked.items()},
        "claims": {name: claims(name, _open(given)) for name, given in asked.items()},
        "wall_seconds": round(time.time() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "threads": torch.get_num_threads(),
        "fingerprints": {name: load(name).fingerprint for name in config["universality"]},
        "versions": {"atomscape": __version__, "python": platform.python_version()}
        | {p: version(p) for p in PACKAGES},
        "commit": source,
        "machine": f"{platform.machine()} {platform.system()}",
        "config": config,
    }
    text = json.dumps(results, indent=1, ensure_ascii=False, default=float) + "\n"
    write_atomic(HERE / "results.json", text.encode())


def _open(given: dict) -> dict:
    """Settings without a list of elements, so that any pair can be asked for."""
    return {k: v for k, v in given.items() if k != "elements"}


def claims(name: str, given: dict) -> dict:
    """What a representation says of itself, as data."""
    c = built(name, given).claims
    return {
        "invariances": sorted(c.invariances),
        "sees": sorted(c.sees),
        "applies": sorted(c.applies),
        "form": c.form,
    }


def some(store, config: dict) -> Structures:
    """A random sample of a dataset."""
    n = min(config["sample"], len(store))
    return store[np.sort(np.random.default_rng(config["seed"]).permutation(len(store))[:n])]


def problem(given: dict, config: dict) -> dict:
    """One dataset: errors on each target, and what was measured of each representation."""
    store = load(given["dataset"])
    split = index_file_split(HERE / given["split"], store)
    rows = np.concatenate([split[part] for part in ("train", "val", "test")])
    structures = store[rows]
    ends = np.cumsum([len(split[p]) for p in ("train", "val", "test")])
    parts = dict(zip(("train", "val", "test"), np.split(np.arange(len(rows)), ends[:-1]), strict=True))
    y = np.stack([_in(store, t, unit, rows) for t, unit in given["targets"].items()], axis=1)
    baseline = np.stack(
        [
            on_composition(structures, y[:, k], parts["train"]) if t in EXTENSIVE else np.zeros(len(y))
            for k, t in enumerate(given["targets"])
        ],
        axis=1,
    )
    molecules = not bool(structures.pbc.any())
    bonds = bonds_of(structures) if molecules else None
    sample = structures[parts["test"][: config["sample"]]]
    counts = {p: len(i) for p, i in parts.items()}
    out = {"dataset": given["dataset"], "targets": given["targets"], "counts": counts}
    naive = baseline + (y - baseline)[parts["train"]].mean(0)
    out["mean"] = _rows(*errors(naive[parts["test"]], y[parts["test"]]), given["targets"])
    out["representations"] = {}
    for name, settings in given["representations"].items():
        started = time.process_time()
        representation = built(name, settings)
        raw = in_chunks(representation, structures)
        x = numbers(raw, parts["train"])
        measured = {
            "settings": settings,
            "cost": cost(representation, sample),
            "violations": violations(representation, sample[:50]),
            "shared": shared(raw[parts["test"]]),
            "freedoms_seen": freedoms_seen(representation, sample[:FEW]),
            "without_value": int((~np.isfinite(x).all(1)).sum()),
            "errors": learned(np.nan_to_num(x), y, baseline, parts, list(given["targets"]), config),
        }
        if bonds is not None:
            measured["bonding_read"] = bonding_read(np.nan_to_num(x), bonds, parts["train"], parts["test"])
        measured["cpu_seconds"] = round(time.process_time() - started, 1)
        out["representations"][name] = measured
        print(given["dataset"], name, json.dumps(measured["errors"][-1]["targets"]), flush=True)
    return out


def _in(store, name: str, unit: str, rows: np.ndarray) -> np.ndarray:
    return np.asarray(convert(store.values(name)[rows], store.property(name).unit, unit))


def on_composition(s: Structures, y: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Linear regression on the counts of the elements."""
    numbers_here = s.numbers.unique()
    one_hot = (s.numbers[:, None] == numbers_here).double()
    counts = torch.zeros(len(s), len(numbers_here), dtype=torch.float64).index_add(0, s.structure, one_hot)
    design = np.c_[counts.numpy(), np.ones(len(s))]
    return design @ np.linalg.lstsq(design[train], y[train], rcond=None)[0]


def in_chunks(representation, structures: Structures, size: int = 500):
    """Represent a few hundred at a time, to bound memory."""
    parts = [representation(structures[i : i + size]) for i in range(0, len(structures), size)]
    return np.concatenate([p if isinstance(p, np.ndarray) else p.float().numpy() for p in parts])


def numbers(raw: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Features as they are; of texts the counts of their pieces of one to three letters."""
    if raw.dtype.kind != "U":
        return raw
    from sklearn.feature_extraction.text import CountVectorizer

    counted = CountVectorizer(analyzer="char", lowercase=False, ngram_range=(1, 3)).fit(raw[train])
    return counted.transform(raw).toarray().astype(np.float32)


def learned(x, y, baseline, parts, targets: list[str], config: dict) -> list[dict]:
    """Errors on the test part for each size of the training part."""
    rng = np.random.default_rng(config["seed"])
    train, val, test = parts["train"], parts["val"], parts["test"]
    x = scaled(x, train)
    residual = y - baseline
    unit = median_distance(x[train], rng)
    d, d_val, d_test = (distances(x[part], x[train]) for part in (train, val, test))
    few = rng.permutation(len(train))[: config["search"]]
    best = choose(d[np.ix_(few, few)], d_val[:, few], residual[train[few]], residual[val], unit)
    out = []
    for size in config["sizes"]:
        draws = 1 if size == len(train) else config["draws"]
        found, near, spread = [], [], None
        for _ in range(draws):
            chosen = np.sort(rng.permutation(len(train))[:size])
            r = residual[train[chosen]]
            p = predicted(d[np.ix_(chosen, chosen)], d_test[:, chosen], r, best, unit) + baseline[test]
            mae, spread = errors(p, y[test])
            found.append(mae)
            near.append(errors(nearest(d_test[:, chosen], r) + baseline[test], y[test])[0])
        deviation = np.std(found, axis=0, ddof=1) if draws > 1 else spread
        out.append(
            {
                "train": size,
                "draws": draws,
                "targets": _rows(np.mean(found, axis=0), deviation, targets),
                "nearest": dict(zip(targets, np.mean(near, axis=0).tolist(), strict=True)),
                "kernels": {t: vars(b) for t, b in zip(targets, best, strict=True)},
            }
        )
    return out


def _rows(mae: np.ndarray, spread: np.ndarray, targets) -> dict[str, dict[str, float]]:
    return {t: {"mae": float(m), "spread": float(s)} for t, m, s in zip(targets, mae, spread, strict=True)}


if __name__ == "__main__":
    main()
