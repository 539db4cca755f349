"""The parts of a report as plain data: what the page draws, in its order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from atomscape.data.leaks import Leak
from atomscape.learn.metrics import SHOWN
from atomscape.report.run_files import RunFiles

Series = dict[str, Any]


def facts(run: RunFiles) -> list[list[str]]:
    """How the run came about, in a few words each."""
    r = run.results
    encoder = run.config["encoder"]["kind"]
    if r is None:
        done = run.metrics[-1]["epoch"] if run.metrics else 0
        return [
            ["state", f"under way, epoch {done} of {run.config['training']['epochs']}"],
            ["encoder", encoder],
        ]
    return [
        ["encoder", f"{encoder}, {r['n_parameters']:,} parameters, {run.config['dtype']}"],
        ["best epoch", f"{r['best_epoch']} of {r['epochs']}"],
        ["steps", f"{r['steps']:,}"],
        ["time", f"{duration(r['wall_seconds'])} ({duration(r['cpu_seconds'])} CPU)"],
        ["seed", str(r["seed"])],
        ["model", r["model_hash"][:12]],
        ["commit", (r["commit"] or "–")[:12]],
        ["machine", f"{r['machine']}, {r['threads']} thread(s)"],
    ]


def duration(seconds: float) -> str:
    """``1 h 05 min``, ``2.4 min``, ``31 s``."""
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def scores(run: RunFiles) -> list[dict[str, Any]]:
    """Errors on each part, in shown units, beside those of the baselines."""
    rows = []
    for part, metrics in (run.results or {}).get("metrics", {}).items():
        for m in metrics:
            factor, unit = SHOWN.get(m["unit"], (1.0, m["unit"]))
            row = {k: m[k] for k in ("dataset", "property", "count")} | {"part": part, "unit": unit}
            row |= {"mae": m["mae"] * factor, "rmse": m["rmse"] * factor}
            for name in ("mean", "composition"):
                other = _like(run.results["baselines"][name][part], m)  # type: ignore[index]
                row[name] = None if other is None else other * factor
            rows.append(row)
    return rows


def _like(metrics: Iterable[Mapping[str, Any]], m: Mapping[str, Any]) -> float | None:
    keys = ("dataset", "property", "unit")
    return next((o["mae"] for o in metrics if all(o[k] == m[k] for k in keys)), None)


def curves(run: RunFiles) -> list[dict[str, Any]]:
    """Charts over epochs: losses, errors on val, learning rate, gradients, speed."""
    epochs = [m["epoch"] for m in run.metrics]
    losses = [
        _series("train", epochs, [m["train_loss"] for m in run.metrics]),
        _series("val", epochs, [m["val_loss"] for m in run.metrics]),
    ]
    charts = [_chart("Loss", "", losses, log=True)]
    names = dict.fromkeys(k for m in run.metrics for k in m["val"])
    by_unit: dict[str, list[Series]] = {}
    many = len(run.config["data"]) > 1
    for key in names:
        if key.replace(")", "/atom)") in names:
            continue  # sums over atoms are shown per atom
        where, _, unit = key.removesuffix(")").rpartition(" (")
        factor, shown = SHOWN.get(unit, (1.0, unit))
        values = [m["val"].get(key, {}).get("mae") for m in run.metrics]
        name = where if many else where.partition("/")[2]
        line = _series(name.replace("/", ": "), epochs, [None if v is None else v * factor for v in values])
        by_unit.setdefault(shown, []).append(line)
    charts += [
        _chart(f"{lines[0]['name']}, MAE on val" if len(lines) == 1 else "MAE on val", unit, lines, log=True)
        for unit, lines in by_unit.items()
    ]
    speed = run.kind("speed")
    if speed:
        at = [s["epoch"] for s in speed]
        charts += [
            _chart("Learning rate", "", [_series("rate", at, [s.get("learning_rate") for s in speed])]),
            _chart("Gradient norm", "", [_series("all", at, [s.get("gradient") for s in speed])], log=True),
        ]
    looks = run.kind("look")
    if looks:
        at = [round(x["step"] / max(1, looks[-1]["step"]) * looks[-1]["epoch"], 4) for x in looks]
        rows = dict.fromkeys(k for x in looks for k in x["gradients"])
        pulls = [_series(k.replace(":", ": "), at, [x["gradients"].get(k) for x in looks]) for k in rows]
        charts.append(_chart("Gradient at the encoder", "", pulls, log=True))
    if speed:
        rates = [s["structures_per_second"] for s in speed]
        charts.append(_chart("Structures per second", "", [_series("all", at_of(speed), rates)]))
    return [c for c in charts if c["series"]]


def at_of(records: list[dict[str, Any]]) -> list[int]:
    """Epochs of records."""
    return [r["epoch"] for r in records]


def _chart(title: str, unit: str, series: list[Series], log: bool = False) -> dict[str, Any]:
    return {"title": title, "unit": unit, "log": log, "series": [s for s in series if s["y"]]}


def _series(name: str, x: Sequence[float], y: list[float | None]) -> Series:
    known = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
    return {"name": name, "x": [a for a, _ in known], "y": [b for _, b in known]}


def network(run: RunFiles) -> dict[str, Any] | None:
    """What the last look at the network has found."""
    looks = run.kind("look")
    if not looks:
        return None
    last = looks[-1]
    return {k: last[k] for k in ("epoch", "step", "notes", "features", "paths")}


def tables(run: RunFiles) -> list[dict[str, Any]]:
    """Data, fits, leaks, versions: columns and rows of text."""
    r = run.results
    if r is None:
        return []
    found = [
        _table(
            "Data",
            ["dataset", "train", "val", "test", "passes", "fingerprint"],
            [
                [name, *(f"{c[p]:,}" for p in ("train", "val", "test")), f"{r['passes'][name]:g}",
                 r["fingerprints"][name][:12]]
                for name, c in r["counts"].items()
            ],
        ),
        _table(
            "Fitted before training",
            ["property", "dataset", "unit", "known", "shift", "scale", "E0"],
            [_fit_row(f) for f in r["fitted"]],
        ),
        _table("Leaks", ["what parts have in common"], [[_leak(x)] for x in r["leaks"]] or [["none found"]]),
        _table("Versions", ["package", "version"], [[k, v] for k, v in r["versions"].items()]),
    ]  # fmt: skip
    return found


def _table(title: str, columns: list[str], rows: list[list[str]]) -> dict[str, Any]:
    return {"title": title, "columns": columns, "rows": rows}


def _fit_row(f: Mapping[str, Any]) -> list[str]:
    own = f.get("references_by_dataset", {})
    tables = {"": f["references"]} if f["references"] else own
    e0 = "; ".join(
        (f"{name}: " if name else "") + "  ".join(f"{s} {number(v)}" for s, v in t.items())
        for name, t in tables.items()
    )
    return [
        *(f["property"], f["dataset"], f["unit"], f"{f['known_labels']:,}"),
        *(number(f["shift"]), number(f["scale"]), e0 or "–"),
    ]


def number(x: Any) -> str:
    """A number or several, short."""
    return " ".join(map(number, x)) or "–" if isinstance(x, list | tuple) else f"{x:.6g}"


def _leak(leak: Mapping[str, Any]) -> str:
    examples = tuple(leak["examples"])
    return str(Leak(leak["kind"], leak["a"], leak["b"], leak["count"], leak["of"], examples))
