"""Train on vacancies of crystals and keep the scores: ``python scripts/vacancies.py NAME``.

The config is ``experiments/NAME/config.yaml``. The run lives in ``runs/NAME`` and is resumed if it is there.
Then two questions are asked of the test part. *Site*: every atom of every cell is removed in turn, with its
images. *Vacancy*: one atom of a supercell is removed, of as many crystals as have one that repeats the cell
and is not too large. Beside the network stand guesses that learn nothing: the largest voids, with the most
frequent element or the one that makes the simplest formula, and copies by symmetry (voids where there are
none). The scores join the run's ``results.json`` under ``vacancies``, filed beside the config.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from atomscape.atoms.nearest_image import nearest_image
from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import repeated
from atomscape.data.corruptions import vacancies
from atomscape.data.load import load
from atomscape.data.splits import index_file_split
from atomscape.data.store import Store
from atomscape.generate.orbits import orbit
from atomscape.generate.removals import Removals, one_removed, removals
from atomscape.generate.scoring import NEAR, Answers, judged, proposer, report
from atomscape.generate.symmetry_copies import copies, copy_sites
from atomscape.generate.voids import common, fill_voids, formula
from atomscape.learn.checkpoint import load_model, save_model, write_atomic
from atomscape.learn.config import Dataset, RunConfig
from atomscape.learn.recipe import load_config
from atomscape.learn.results import commit
from atomscape.learn.train import train
from atomscape.nn.proposals import Proposals

ROOT = Path(__file__).resolve().parent.parent
BASELINES: dict[str, Callable[[Structures], Proposals]] = {
    "largest void, most frequent element": fill_voids(common),
    "largest void, simplest formula": fill_voids(formula),
    "copy by symmetry, else void": copy_sites(fill_voids(common)),
}
OF_SITES = ("accuracy", "element_accuracy", "within_0.5", "distance_mae", "top_3_accuracy")
ATOMS = 1024


def main() -> int:
    """Train, score, file the result; 1 if the run was interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", help="folder under experiments/")
    parser.add_argument("overrides", nargs="*", help="key.sub=value; such a run is a trial and is not filed")
    parser.add_argument("--ship", metavar="MODEL", help="keep it among the models that come with atomscape")
    parser.add_argument("--out", type=Path, help="run folder")
    parser.add_argument("--crystals", type=int, default=200, help="of the test part, for each question")
    given = parser.parse_args()
    folder, out = ROOT / "experiments" / given.name, given.out or ROOT / "runs" / given.name
    config = load_config(folder / "config.yaml", given.overrides)
    if train(config, out, resume=(out / "config.yaml").is_file()) is None:
        return 1
    torch.set_num_threads(1)
    results = json.loads((out / "results.json").read_text())
    results |= {"vacancies": score(config, out, given.crystals), "scored_by": commit()}
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    if not given.overrides:
        write_atomic(folder / "results.json", text.encode())
    if given.ship:
        ship(config, out, results["commit"], given.ship)
    return 0


def ship(config: RunConfig, out: Path, trained_at: str | None, name: str) -> None:
    """Put the model of a run among those that come with the package."""
    store = load(config.data[0].source)
    numbers = store[split_of(config.data[0], store)["train"].tolist()].numbers.unique().tolist()
    about = {
        "elements": [chemical_symbols[z] for z in numbers],
        "periodic": True,
        "dataset": f"{store.card.title} ({store.card.licence})",
        "trained_by": f"experiments/{config.name}/config.yaml",
        "commit": trained_at,
    }
    save_model(load_model(out), ROOT / "src" / "atomscape" / "models" / f"{name}.safetensors", **about)


def score(config: RunConfig, out: Path, crystals: int) -> dict[str, Any]:
    """Scores of the network and of the guesses on both questions; those that are done are read."""
    data = config.data[0]
    store = load(data.source)
    rows = np.random.default_rng(0).permutation(split_of(data, store)["test"])
    propose, kept = proposer(load_model(out)), out / "scores"
    kept.mkdir(exist_ok=True)
    questions = {
        "site": lambda: list(removals(store, np.sort(rows[:crystals]), ATOMS)),
        "vacancy": lambda: list(in_supercells(store, rows, crystals, corruption(data))),
    }
    scores = {}
    for question, asked in questions.items():
        file = kept / f"{question}.json"
        if not file.is_file():
            removed = asked()
            sites = perovskite_sites(store, removed) if data.source == "perov_5" else None
            made = compared(removed, propose, sites)
            write_atomic(file, (json.dumps(made, indent=1) + "\n").encode())
        scores[question] = json.loads(file.read_text())
        for name, one in scores[question]["guesses"].items():
            line = "{:8s} {:36s} right {:6.2%}  mean over elements {:6.2%}  within 0.5 Å {:6.2%}"
            shown = (one[k]["value"] for k in ("accuracy", "balanced_accuracy", "within_0.5"))
            print(line.format(question, name, *shown), flush=True)
    return scores


def split_of(data: Dataset, store: Store) -> dict[str, np.ndarray]:
    """Parts of the run's split."""
    if data.split.kind == "file":
        return index_file_split(data.split.path, store)
    return {part: store.split(part) for part in ("train", "test")}


def corruption(data: Dataset) -> vacancies.Config:
    """How large the run's supercells were."""
    assert data.corrupt is not None
    return vacancies.Config(**data.corrupt.options)


def in_supercells(store: Store, rows: np.ndarray, most: int, config: vacancies.Config):
    """One atom, drawn at random, removed from a supercell of each crystal; ids of atoms are of the cell."""
    rng, made, atoms, done = np.random.default_rng(0), [], 0, 0
    for row in rows.tolist():
        one = store[[row]].to(dtype=torch.float64).with_labels()
        times = vacancies.supercells(one, config)
        if int(times.prod()) == 1:
            continue
        large, origin = repeated(one, times)
        atom = int(rng.integers(large.n_atoms))
        gone = one_removed(large, torch.tensor([0]), torch.tensor([atom]))
        made.append((gone, row, int(origin[atom])))
        atoms, done = atoms + large.n_atoms, done + 1
        if atoms > ATOMS or done == most:
            yield joined(made)
            made, atoms = [], 0
        if done == most:
            return
    if made:
        yield joined(made)


def joined(parts: list[tuple[Removals, int, int]]) -> Removals:
    """Removals one after the other, each with the row and the atom it is of."""
    gone = [part for part, _, _ in parts]
    return Removals(
        Structures.concatenate(g.structures for g in gone),
        torch.cat([g.positions for g in gone]),
        torch.cat([g.numbers for g in gone]),
        torch.tensor([row for _, row, _ in parts]),
        torch.tensor([atom for _, _, atom in parts]),
    )


def compared(
    asked: list[Removals], network: Callable[[Structures], Proposals], sites: np.ndarray | None
) -> dict[str, Any]:
    """Scores of all guesses on the same removals, what symmetry allows, and by site where they have names."""
    orbits = [[orbit(s, x.numpy()) for s, x in zip(a.structures, a.positions, strict=True)] for a in asked]
    sizes = np.array([len(o) for batch in orbits for o in batch])
    made: dict[str, Any] = {"ceiling": float((1 / sizes).mean()), "guesses": {}}
    made["copied"] = float(np.mean([len(copies(s)[0]) > 0 for a in asked for s in a.structures]))
    for name, propose in {"network": network, **BASELINES}.items():
        begin = time.perf_counter()
        given = [propose(a.structures) for a in asked]
        seconds = time.perf_counter() - begin
        judgements = [judged(a, g) for a, g in zip(asked, given, strict=True)]
        answers = Answers(
            *(np.concatenate([getattr(j, f.name) for j in judgements]) for f in fields(Answers))
        )
        one = report(answers) | {"seconds": round(seconds, 1)}
        one["accuracy_up_to_symmetry"] = up_to_symmetry(asked, given, orbits)
        if sites is not None:
            kinds = {site: report(chosen(answers, sites == site)) for site in np.unique(sites).tolist()}
            one["sites"] = {site: {k: found[k] for k in OF_SITES} for site, found in kinds.items()}
        made["guesses"][name] = (
            one if name == "network" else {k: v for k, v in one.items() if k != "elements"}
        )
    return made


def perovskite_sites(store: Store, asked: list[Removals]) -> np.ndarray:
    """Kind of each removed site: A, B or X. Three anions come last; of the cations B is nearer to them."""
    row, atom = (torch.cat([getattr(a, k) for a in asked]) for k in ("row", "atom"))
    s = store[row.numpy()].to(dtype=torch.float64)
    x = s.positions.view(-1, 5, 3)
    away = (x[:, :2, None] - x[:, None, 2:]).reshape(-1, 3)
    cell, pbc = s.cell.repeat_interleave(6, 0), s.pbc.repeat_interleave(6, 0)
    second_is_b = nearest_image(away, cell, pbc).norm(dim=1).view(-1, 2, 3).mean(2).argmin(1)
    return np.where(atom >= 2, "X", np.where(atom == second_is_b, "B", "A"))


def up_to_symmetry(
    asked: list[Removals], given: list[Proposals], orbits: list[list[np.ndarray]]
) -> dict[str, float | int]:
    """Share of first proposals that give the right crystal: at any place that symmetry makes the same."""
    right = []
    for a, g, places in zip(asked, given, orbits, strict=True):
        for i, s in enumerate(a.structures):
            away = g.positions[i, :1].double() - torch.from_numpy(places[i])
            n = len(away)
            off = nearest_image(away, s.cell.expand(n, 3, 3), s.pbc.expand(n, 3)).norm(dim=1).min()
            right.append(bool(off <= NEAR) and int(g.numbers[i, 0]) == int(a.numbers[i]))
    return {"value": float(np.mean(right)), "count": len(right)}


def chosen(answers: Answers, rows: np.ndarray) -> Answers:
    """Some of the answers."""
    return Answers(*(getattr(answers, f.name)[rows] for f in fields(Answers)))


if __name__ == "__main__":
    sys.exit(main())
