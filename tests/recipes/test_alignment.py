"""The alignment experiment: equal terms, no leaks, gains by hand, and one whole run on made-up tasks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from atomscape.atoms.structures import Structures
from atomscape.learn.experiment import run_experiment
from atomscape.learn.graphs import GraphSet
from atomscape.learn.prepare import prepare
from atomscape.learn.recipe import load_config
from atomscape.recipes import _alignment_data as data
from atomscape.recipes import _alignment_gains as gains
from atomscape.recipes import _alignment_picture as picture
from atomscape.recipes import _alignment_runs as runs
from atomscape.recipes import alignment_pretraining
from atomscape.testing.cases import molecule

TINY = {"encoders": ["egnn"], "tasks": ["is2re", "lips"], "seeds": 1, "steps": 2, "batch": 2}


def made(groups: int, each: int, labels: tuple[str, ...], seed: int) -> Structures:
    """Water in random shapes, with labels of the right kind."""
    g = torch.Generator().manual_seed(seed)
    parts = []
    for k in range(groups * each):
        x = torch.randn(3, 3, generator=g, dtype=torch.float64)
        given = {
            n: torch.randn(*((3, 3) if n == "forces" else (1,)), generator=g, dtype=torch.float64)
            for n in labels
        }
        one = replace(molecule([8, 1, 1], 1.2 * x), labels=given, ids=(f"g{k // each}/{k % each}",))
        parts.append(one)
    return Structures.concatenate(parts)


@pytest.fixture
def tiny(monkeypatch):
    """Small tasks in place of those on disk, and small encoders."""
    groups = {"s2ef": (12, 3), "is2re": (12, 1), "mp": (30, 1), "lips": (10, 2)}
    for n, (name, (count, each)) in enumerate(groups.items()):
        task = data.TASKS[name]
        labels, family = task.labels, task.family if name != "is2re" else "oc20"

        def make(sizes, count=count, each=each, labels=labels, n=n):
            return made(count, each, labels, n)

        monkeypatch.setitem(data.TASKS, name, replace(task, make=make, family=family))
    monkeypatch.setitem(runs.ENCODERS, "egnn", {"channels": 4, "layers": 1, "n_radial": 2})
    monkeypatch.setattr(runs, "EPOCHS", 1)


def place(tmp_path, names=("s2ef", "is2re", "lips"), steps=4) -> runs.Place:
    stores = data.stores(tmp_path / "data", data.Sizes(3, 100, 30), names)
    return runs.Place(tmp_path, tmp_path / "data", stores, runs.Effort(steps, 2, 1e-3))


def test_a_group_is_in_one_part_in_all_tasks_that_know_it(tiny, tmp_path):
    stores, tested = place(tmp_path).stores, set()
    for seed in range(3):
        parts = {}
        for name in ("s2ef", "is2re"):
            rows = data.split(stores, name, seed)
            assert sum(map(len, rows.values())) == len(stores[name])
            for part, chosen in rows.items():
                for r in chosen:
                    group = stores[name].ids[r].partition("/")[0]
                    assert parts.setdefault(group, part) == part
        tested |= {g for g, part in parts.items() if part == "test"}
    assert tested == {f"g{k}" for k in range(12)}


def test_alone_and_in_company_a_dataset_is_treated_alike(tiny, tmp_path):
    p = place(tmp_path)
    drawn = {}
    for tasks in (("lips",), ("s2ef", "lips")):
        config = p.config(runs.Training("egnn", tasks, 0))
        prepared = prepare(config)
        graphs: GraphSet = prepared.graphs("train", 5.0, 0)
        assert prepared.mixture is not None
        order = prepared.mixture.order(0)
        mine = [d.name for d in config.data].index("lips")
        ids = [graphs.structures.ids[i] for i in order if graphs.dataset[i] == mine]
        drawn[tasks] = sorted(ids), len(order) // (config.training.batch.structures or 1)
        assert config.encoder.options["average_neighbours"] == runs.NEIGHBOURS
    assert drawn["lips",] == drawn["s2ef", "lips"]
    assert len(drawn["lips",][0]) == 4 * 2
    assert drawn["lips",][1] == 4


def error(seed: int, tasks: tuple[str, ...], mae: float) -> runs.Error:
    company = "+".join(t for t in tasks if t != "lips")
    return runs.Error(runs.Training("egnn", tasks, seed), "lips", "forces", "eV/Å", mae, 1.0, 0.0, company)


def test_gains_by_hand():
    alone = [error(s, ("lips",), m) for s, m in enumerate((1.0, 2.0, 3.0))]
    pair = [error(s, ("s2ef", "lips"), m) for s, m in enumerate((0.8, 1.8, 2.6))]
    (g,) = gains.gains(alone, pair, {"lips": 48})
    assert g.company == "s2ef"
    assert g.gains == pytest.approx((10.0, 10.0, 20.0))
    sd = np.std([10, 10, 20], ddof=1)
    assert g.half_width == pytest.approx(4.302653 * sd / 3**0.5, rel=1e-6)
    assert g.mean == pytest.approx(40 / 3)
    assert g.verdict == "too small to conclude"
    (few,) = gains.gains(alone[:1], pair, {"lips": 48})
    assert (few.gains, few.as_dict()["half_width"], few.verdict) == (
        pytest.approx((20.0,)), None, "too small to conclude",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mean", "half", "test", "verdict"),
    [
        (12, 3, 48, "helps"),
        (-12, 3, 48, "harms"),
        (1, 4, 48, "no effect"),
        (8, 9, 48, "too small to conclude"),
        (12, 3, 8, "too small to conclude"),
    ],
)
def test_verdicts(mean, half, test, verdict):
    assert gains.verdict_of(mean, half, test) == verdict


def test_a_whole_run(tiny, tmp_path, monkeypatch):
    out = tmp_path / "out"
    outcome = run_experiment("alignment", TINY, out)
    assert outcome.met
    names = {f"egnn-{t}-{s}" for t in ("is2re", "lips", "is2re_lips") for s in (0,)}
    assert {f.name for f in (out / "runs").iterdir() if f.is_dir()} == names
    fields = {(g["task"], g["property"], g["company"]) for g in outcome.details["gains"]}
    assert fields == {
        ("is2re", "relaxed_energy", "lips"), ("lips", "energy", "is2re"), ("lips", "forces", "is2re"),
    }  # fmt: skip
    assert all(len(g["gains"]) == 1 for g in outcome.details["gains"])
    assert (out / "gains.svg").stat().st_size > 1000
    (out / "results.json").unlink()
    (out / "runs" / "egnn-lips-0" / "results.json").unlink()
    ran = []
    train = runs.trained
    monkeypatch.setattr(
        runs, "trained", lambda config, *rest: (ran.append(config.name), train(config, *rest))
    )
    again = run_experiment("alignment", TINY, out, resume=True)
    assert ran == ["egnn-lips-0"]
    assert again.details["gains"] == outcome.details["gains"]


def test_a_training_of_another_process_is_left_to_it(tiny, tmp_path):
    p, t = place(tmp_path, ("lips",), steps=1), runs.Training("egnn", ("lips",), 0)
    (tmp_path / "runs").mkdir()
    lock = tmp_path / "runs" / f"{t.name}.lock"
    with runs.owned(lock), pytest.raises(runs.Taken), runs.owned(lock, runs._refuse):
        pass
    runs.do_all(p, [(t, {})], Console(quiet=True))
    assert runs.done(p.folder(t))


def test_the_picture_tells_what_is_unsure():
    rows = [
        {"encoder": e, "task": "lips", "property": "forces", "company": c, "mean": m, "half_width": h,
         "verdict": v}
        for e in ("egnn", "tfn")
        for c, m, h, v in (("s2ef", 25.0, 3.0, "helps"), ("mp", 5.0, 40.0, "too small to conclude"))
    ]  # fmt: skip
    fig = picture.draw(rows)
    texts = {t.get_text(): t.get_color() for t in fig.axes[0].texts}
    assert texts == {"+25 ± 3": "white", "+5 ± 40": "0.6"}
    assert picture.columns_of(rows) == ["s2ef", "mp"]


def test_pretraining_is_compared_with_training_from_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(alignment_pretraining.NOISY, "symmetry", {"source": "sample"})
    monkeypatch.setitem(alignment_pretraining.LEARNED, "symmetry", [{"property": "gap"}])
    first, out = tmp_path / "first", tmp_path / "second"
    with pytest.raises(ValueError, match="holds no run of the recipe alignment; run it first"):
        alignment_pretraining.settings_of(first)
    run_experiment("alignment", TINY, first)
    options = {"experiment": str(first), "kinds": ["symmetry"], "steps": 1, "batch": 2}
    outcome = run_experiment("alignment_pretraining", options, out)
    assert {(g["task"], g["company"]) for g in outcome.details["gains"]} == {
        ("is2re", "symmetry"), ("lips", "symmetry"),
    }  # fmt: skip
    assert (out / "pretrained" / "egnn-symmetry" / "best.safetensors").is_file()
    config = load_config(out / "runs" / "egnn-lips-from-symmetry-0")
    assert config.start_from is not None
    assert config.start_from.heads is False
    same = load_config(first / "runs" / "egnn-lips-0")
    assert config.encoder == same.encoder
    assert config.training == same.training
    assert config.sampling == same.sampling
