"""Tables before and after training, for people (rich)."""

from __future__ import annotations

from math import isfinite

import torch
from rich.console import Group
from rich.table import Table
from rich.text import Text

from atomscape.learn.config import RunConfig
from atomscape.learn.constants.fit import Fitted
from atomscape.learn.graphs import GraphSet
from atomscape.learn.metrics import Metric, find_metric, shown
from atomscape.learn.model import Model
from atomscape.learn.prepare import PARTS, Prepared, known_values
from atomscape.learn.results import Results
from atomscape.ops.op import watched


def start_table(
    config: RunConfig, prepared: Prepared, graphs: dict[str, GraphSet], model: Model, fitted: list[Fitted]
) -> Group:
    """Datasets, labels with units and references, model size, and who serves the operations."""
    return Group(
        _data(prepared),
        *_columns(prepared),
        _labels(config, prepared, fitted, {name for _, name in model.own_losses()}),
        *_references(fitted),
        *_unseen(prepared),
        *_sampling(prepared),
        *_leaks(prepared),
        _model(config, graphs, model),
    )


def _data(prepared: Prepared) -> Table:
    table = Table(
        "dataset", *PARTS, "atoms", "licence", "level of theory", title="Data", title_justify="left"
    )
    for d, (name, store) in enumerate(prepared.stores.items()):
        atoms = sum(int(prepared.structures[p].counts[prepared.dataset[p] == d].sum()) for p in PARTS)
        counts = [f"{len(prepared.rows[name][p]):,}" for p in PARTS]
        table.add_row(name, *counts, f"{atoms:,}", store.card.licence, store.card.level_of_theory)
    return table


def _columns(prepared: Prepared) -> list[Text]:
    """Which columns of a file became which labels."""
    return [Text(f"{name}: {line}") for name, store in prepared.stores.items() for line in store.card.columns]


def _labels(config: RunConfig, prepared: Prepared, fitted: list[Fitted], own: set[str]) -> Table:
    """A line for each objective; ``own`` are the properties whose heads bring their loss."""
    table = Table(
        "property", "dataset", "unit", "known (train)", "shift", "scale", "loss", "weight",
        title="Objectives", title_justify="left",
    )  # fmt: skip
    names = list(prepared.stores)
    for o, f in zip(config.objectives, fitted, strict=True):
        d = None if o.dataset == "all" else names.index(o.dataset)
        known = known_values(prepared, "train", o.property, d)
        shift = "E0" if f.property.extensive and (f.references or f.by_dataset) else several(f.shift)
        loss, scale = ("own", "–") if o.property in own else (o.loss, f"{f.scale:.5g}")
        table.add_row(
            o.property, o.dataset, f.property.unit, f"{known:,}", shift, scale, loss, f"{o.weight:g}"
        )
    return table


def several(numbers: float | tuple[float, ...]) -> str:
    """A number, or those of a tensor's isotropic parts; a tensor without such a part has none."""
    if isinstance(numbers, tuple):
        return " ".join(f"{x:.5g}" for x in numbers) or "–"
    return f"{numbers:.6g}"


def _references(fitted: list[Fitted]) -> list[Text]:
    lines = []
    for f in fitted:
        written = f.as_dict()
        tables = {f.dataset: written["references"], **written.get("references_by_dataset", {})}
        for name, table in tables.items():
            if table:
                e0 = "  ".join(f"{s} {several(e)}" for s, e in table.items())
                lines.append(Text(f"{f.property.name} per element, {name} ({f.property.unit}): {e0}"))
        if f.note:
            lines.append(Text(f"{f.property.name} per element, {f.dataset}: {f.note}"))
    return lines


def _unseen(prepared: Prepared) -> list[Text]:
    """Elements of val or test that no training structure has: nothing was learned about them."""
    from ase.data import chemical_symbols

    lines, seen = [], prepared.structures["train"].numbers.unique()
    for part in ("val", "test"):
        s = prepared.structures[part]
        new = ~torch.isin(s.numbers, seen)
        if bool(new.any()):
            names = ", ".join(chemical_symbols[z] for z in s.numbers[new].unique().tolist())
            n = len(s.structure[new].unique())
            lines.append(
                Text(
                    f"note: {n:,} structures of {part} hold elements that train does not: {names}; "
                    "nothing was learned about them"
                )
            )
    return lines


def _sampling(prepared: Prepared) -> list[Table]:
    """What an epoch takes from each dataset, where it is not simply everything."""
    if prepared.mixture is None:
        return []
    table = Table("dataset", title="An epoch", title_justify="left")
    for column in ("structures", "share", "passes"):
        table.add_column(column, justify="right")
    for name, q in prepared.mixture.draws.items():
        share, passes = 100 * q / prepared.mixture.size, prepared.mixture.passes[name]
        table.add_row(name, f"{q:,}", f"{share:.1f} %", f"{passes:.3g}")
    return [table]


def _leaks(prepared: Prepared) -> list[Text]:
    """What train, val and test have in common."""
    lines = [
        Text(f"{'leak' if leak.serious else 'note'}: {leak}", style="red" if leak.serious else "")
        for leak in prepared.leaks
    ]
    return lines or [Text("leaks: none found by id, positions, trajectory or formula")]


def _model(config: RunConfig, graphs: dict[str, GraphSet], model: Model) -> Table:
    table = Table(show_header=False, title="Model", title_justify="left")
    given = model.architecture.encoder.options
    options = ", ".join(f"{k}={v}" for k, v in given.items() if k != "inputs")
    table.add_row("encoder", f"{config.encoder.kind}: {options}")
    for i in given.get("inputs", ()):
        how = f"{i['irreps']} per {i['per']}, divided by {i['scale']:.4g}"
        table.add_row("input", f"{i['label']}: {how}")
    table.add_row("parameters", f"{model.n_parameters:,} ({config.dtype})")
    edges = sum(int(g.edge_counts.sum()) for g in graphs.values())
    where = "in memory" if all(g.edges is not None for g in graphs.values()) else "built per batch"
    table.add_row(
        "graphs", f"{edges:,} edges, {graphs['train'].average_neighbours:.1f} neighbours per atom, {where}"
    )
    table.add_row("device", f"{next(model.parameters()).device}, {config.training.threads} thread(s)")
    table.add_row("back-ends", serving(model, graphs["train"]))
    return table


def serving(model: Model, graphs: GraphSet) -> str:
    """Which back-end serves each operation of the model, seen on a small batch."""
    graph, dataset = graphs.batch(range(min(2, len(graphs))))
    device = next(model.parameters()).device
    with torch.random.fork_rng(), watched() as calls:
        model(graph.to(device), dataset.to(device))
    served: dict[str, list[str]] = {}
    for call in calls:
        ops_of = served.setdefault(call.chosen, [])
        if call.op not in ops_of:
            ops_of.append(call.op)
    return "; ".join(f"{backend}: {', '.join(names)}" for backend, names in sorted(served.items()))


def end_table(results: Results) -> Table:
    """MAE and RMSE on each part with units; beside them the MAE of the two baselines."""
    minutes = f"{results.wall_seconds / 60:.1f} min wall, {results.cpu_seconds / 60:.1f} min CPU"
    title = f"{results.name}: epoch {results.best_epoch} of {results.epochs} was best; {minutes}"
    table = _metric_columns(title, "mean", "composition")
    for part in PARTS:
        for m in results.metrics[part]:
            others = [find_metric(results.baselines[b][part], m).mae for b in ("mean", "composition")]
            _add(table, m, part, len(results.counts) > 1, m.mae, m.rmse, *others)
        table.add_section()
    table.caption = "mean, composition: MAE of the mean, and of a linear regression on the composition"
    return table


def metric_table(metrics: list[Metric], title: str, part: str = "all") -> Table:
    """MAE and RMSE with units, for an evaluation outside a run."""
    table, several = _metric_columns(title), len({m.dataset for m in metrics}) > 1
    for m in metrics:
        _add(table, m, part, several, m.mae, m.rmse)
    return table


def _metric_columns(title: str, *more: str) -> Table:
    table = Table("property", "part", title=title, title_justify="left", caption_justify="left")
    for column in ("known", "MAE", "RMSE", *more):
        table.add_column(column, justify="right")
    table.columns[0].no_wrap = True
    return table


def _add(table: Table, m: Metric, part: str, with_dataset: bool, *errors: float) -> None:
    unit = shown(1.0, m.unit)[1]
    name = f"{m.dataset}: {m.property}" if with_dataset else m.property
    table.add_row(f"{name}, {unit}", part, f"{m.count:,}", *(_number(shown(x, m.unit)[0]) for x in errors))


def _number(x: float) -> str:
    return f"{x:.4g}" if isfinite(x) else "–"
