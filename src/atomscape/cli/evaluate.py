"""``atomscape evaluate``: errors of a trained model, on its own test part or on other data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from atomscape.learn.metrics import Metric


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or a model file.")],
    data: Annotated[str | None, typer.Argument(help="Data; left out: the data of the run.")] = None,
    part: Annotated[
        str | None, typer.Option(help="train, val or test.", show_default="test, or all of DATA")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Whose heads to use on DATA, where the model knows several datasets.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the errors to this file.")] = None,
) -> None:
    """Print MAE and RMSE of a model, with units."""
    from atomscape.cli.output import console
    from atomscape.learn.report import metric_table

    if data is None:
        metrics = on_its_own_data(run, part or "test")
        title = f"{run}: {part or 'test'} part of its data"
    else:
        metrics = on_other_data(run, data, part, dataset)
        title = f"{run} on {data}" + (f" ({part})" if part else "")
    console().print(metric_table(metrics, title, part or ("test" if data is None else "all")))
    if json is not None:
        from json import dumps

        text = dumps([m.as_dict() for m in metrics], indent=1, ensure_ascii=False)
        json.write_text(text + "\n", encoding="utf-8")


def on_its_own_data(run: Path, part: str) -> list[Metric]:
    """Errors of a run's best model on one part of the split it was trained with.

    Raises
    ------
    ValueError
        Not the folder of a run, or no such part.
    """
    from atomscape.find import suggest
    from atomscape.learn.checkpoint import load_model
    from atomscape.learn.evaluate import evaluate_graphs
    from atomscape.learn.prepare import PARTS, prepare
    from atomscape.learn.recipe import load_config

    if not (run / "config.yaml").is_file():
        raise ValueError(f"{run} is no run's folder; name the data too: atomscape evaluate {run} DATA")
    if part not in PARTS:
        raise ValueError(f"no part {part!r}{suggest(part, PARTS)} Parts: {', '.join(PARTS)}.")
    model, config = load_model(run), load_config(run / "config.yaml")
    graphs = prepare(config).graphs(part, model.cutoff, config.training.cache_gigabytes * 1e9)
    return evaluate_graphs(model, graphs)[0]


def on_other_data(run: Path, data: str, part: str | None, dataset: str | None) -> list[Metric]:
    """Errors on any data that has labels which the model predicts."""
    from atomscape.data.load import load
    from atomscape.learn.checkpoint import load_model
    from atomscape.learn.evaluate import evaluate as errors

    return errors(load_model(run), load(data), part, dataset)
