"""The training loop: one for every model, property and dataset.

    run = train(load_config("qm9_gap"), "runs/qm9_gap")

Everything that changes lives in a ``TrainingState``; it is saved between two batches, so a run killed at any
moment continues from there and ends with the same bits as if nothing had happened.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from ase.data import chemical_symbols
from rich.console import Console

from atomscape.data.batches import Batches
from atomscape.data.mixture import Mixture
from atomscape.learn.architecture import Architecture, architecture_of
from atomscape.learn.checkpoint import save_model
from atomscape.learn.config import PlugIn, RunConfig
from atomscape.learn.determinism import Stop, deterministic
from atomscape.learn.display import Display
from atomscape.learn.ema import Average
from atomscape.learn.evaluate import evaluate_graphs
from atomscape.learn.fit import Fitted
from atomscape.learn.graphs import GraphSet
from atomscape.learn.inputs import with_inputs
from atomscape.learn.log import Log
from atomscape.learn.low_rank import adapt
from atomscape.learn.metrics import shown
from atomscape.learn.misfits import fitting_model, refuse_labels
from atomscape.learn.model import Model
from atomscape.learn.objectives import Term, term_sums
from atomscape.learn.parameters import freeze, optimiser_for, set_rate, training_lines
from atomscape.learn.prepare import PARTS, Prepared, prepare
from atomscape.learn.report import end_table, start_table
from atomscape.learn.results import Results, commit, finish
from atomscape.learn.run_folder import BEST, LAST, identity, open_run, refuse_other_data, refuse_other_start
from atomscape.learn.schedule import warm_up_cosine
from atomscape.learn.state import TrainingState
from atomscape.learn.transplant import Origin, Taken, adopted, origin, started
from atomscape.learn.weighting import average_gradients, mean_over, weighting_of
from atomscape.ops.allocator import keep_freed_memory


@dataclass
class Run:
    """A run under way: fixed parts, and the state that changes."""

    config: RunConfig
    folder: Path
    prepared: Prepared
    graphs: dict[str, GraphSet]
    terms: list[Term]
    fitted: list[Fitted]
    accelerator: Accelerator
    model: Model
    wrapped: Any
    state: TrainingState
    batches: Batches
    log: Log
    display: Display
    taken: Taken | None = None
    stop: Stop = field(default_factory=Stop)
    saved_at: float = field(default_factory=time.monotonic)

    def save(self) -> None:
        """Write ``last``."""
        if self.accelerator.is_main_process:
            start = self.taken.hash if self.taken else None
            self.state.save(self.folder / LAST, identity(self.prepared.fingerprints, start))
        self.saved_at = time.monotonic()

    def asked_to_stop(self) -> bool:
        """Whether a signal reached any of the processes."""
        if self.accelerator.num_processes == 1:
            return self.stop.asked
        asked = torch.tensor([self.stop.asked], device=self.accelerator.device)
        return bool(self.accelerator.gather(asked).any())  # pyright: ignore[reportAttributeAccessIssue]


def train(
    config: RunConfig,
    folder: str | Path,
    resume: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
) -> Results | None:
    """Train a model as the config says; return its results, or None if it was interrupted.

    Raises
    ------
    ValueError
        Anything wrong with config, data or folder; raised before training starts.
    FloatingPointError
        The loss is no longer a number.
    """
    folder = Path(folder)
    keep_freed_memory()
    with deterministic(config.training.threads, config.seed):
        accelerator, source = _accelerator(config), commit()
        console = (console or Console()) if accelerator.is_main_process else Console(quiet=True)
        prepared = prepare(config)
        architecture = architecture_of(config, prepared.properties)
        start = origin(config)
        architecture = architecture if start is None else adopted(architecture, start)
        architecture = with_inputs(architecture, prepared.inputs, prepared.labelled)
        candidate = fitting_model(architecture)
        refuse_labels(candidate, prepared.structures)
        cutoff = candidate.cutoff
        if accelerator.is_main_process:
            open_run(folder, config, resume, overwrite)
        accelerator.wait_for_everyone()
        graphs = {
            part: prepared.graphs(part, cutoff, config.training.cache_gigabytes * 3e8) for part in PARTS
        }
        architecture = _measured(architecture, graphs["train"])
        run = _set_up(config, folder, prepared, architecture, graphs, accelerator, Display(console), start)
        console.print(start_table(config, prepared, run.graphs, run.model, run.fitted))
        for line in [*(run.taken.lines() if run.taken else ()), *training_lines(run.model, config.training)]:
            console.print(line, soft_wrap=True)
        if not _loop(run):
            run.display.line(f"Stopped after {run.state.progress.step} steps; nothing is lost.")
            return None
        accelerator.wait_for_everyone()
        results = finish(
            config, folder, prepared, run.graphs, run.model, run.fitted, run.state.progress, source,
            weights=run.state.weighting.weights(run.terms),
            started_from=asdict(run.taken) if run.taken else {},
        )  # fmt: skip
        console.print(end_table(results))
        return results


def _set_up(
    config: RunConfig,
    folder: Path,
    prepared: Prepared,
    architecture: Architecture,
    graphs: dict[str, GraphSet],
    accelerator: Accelerator,
    display: Display,
    start: Origin | None,
) -> Run:
    """Build everything; a training state that lies in the folder is taken up."""
    t = config.training
    torch.manual_seed(config.seed)
    model = Model(architecture)
    terms, fitted, taken = started(config, model, prepared, start)
    freeze(model, t.freeze)
    if t.lora is not None:
        adapt(model, t.lora)
    weighting = weighting_of(t.weighting, terms, model.encoder, mean_over(accelerator))
    weighting.to(accelerator.device)
    optimiser = optimiser_for(model, weighting, t)
    wrapped, optimiser = accelerator.prepare(model, optimiser)
    state = TrainingState(model, optimiser, Average(model, t.ema), weighting, scaler=accelerator.scaler)
    if (folder / LAST).is_file():
        refuse_other_data(folder / LAST, prepared.fingerprints)
        refuse_other_start(folder / LAST, start.hash if start else None)
        state.load(folder / LAST)
    return Run(
        config=config,
        folder=folder,
        prepared=prepared,
        graphs=graphs,
        terms=terms,
        fitted=fitted,
        accelerator=accelerator,
        model=model,
        wrapped=wrapped,
        state=state,
        batches=_batches(config, graphs["train"], prepared.mixture),
        log=Log(folder, state.progress.log_bytes, t.tensorboard and accelerator.is_main_process),
        display=display,
        taken=taken,
    )


def _accelerator(config: RunConfig) -> Accelerator:
    AcceleratorState._reset_state(True)  # accelerate keeps the precision of the former run of a process
    return Accelerator(
        mixed_precision=config.training.precision,
        cpu=config.training.device == "cpu",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def _batches(config: RunConfig, graphs: GraphSet, mixture: Mixture | None) -> Batches:
    budget = config.training.batch
    return Batches(
        graphs.counts.numpy(),
        budget.structures,
        budget.atoms,
        budget.edges,
        edges=graphs.edge_counts.numpy(),
        seed=config.seed,
        order=None if mixture is None else mixture.order,
    )


def _measured(architecture: Architecture, graphs: GraphSet) -> Architecture:
    """An encoder that divides by the average number of neighbours gets that of the training part.

    Heads that ask for the elements get those of the training part.
    """
    present = _elements(graphs)
    heads = tuple(
        h.model_copy(update={"head": PlugIn(kind=h.head.kind, **h.head.options | {"elements": present})})
        if h.head.options.get("elements", present) is None
        else h
        for h in architecture.heads
    )
    architecture = architecture.model_copy(update={"heads": heads})
    options = architecture.encoder.options
    if "average_neighbours" not in options or options["average_neighbours"] is not None:
        return architecture
    options |= {"average_neighbours": round(max(graphs.average_neighbours, 1.0), 3)}
    return architecture.model_copy(update={"encoder": PlugIn(kind=architecture.encoder.kind, **options)})


def _elements(graphs: GraphSet) -> list[str]:
    return [chemical_symbols[z] for z in graphs.structures.numbers.unique().tolist()]


def _loop(run: Run) -> bool:
    """Train until the end; False if a signal stopped it (then the state is saved)."""
    t, p, world = run.config.training, run.state.progress, run.accelerator.num_processes
    per_epoch = max(1, run.batches.count(0) // world)
    clock = time.monotonic() - p.wall_seconds, time.process_time() - p.cpu_seconds
    with run.stop.listening(), run.display.shown(p.epoch * per_epoch + p.batch, t.epochs * per_epoch):
        while p.epoch < t.epochs and not p.finished:
            mine = run.batches.share(p.epoch, run.accelerator.process_index, world)
            total = len(mine)
            for index in mine[p.batch :]:
                loss = _step(run, index, (p.epoch + (p.batch + 1) / total) / t.epochs)
                p.batch, p.step = p.batch + 1, p.step + 1
                run.display.advance(p.epoch + 1, loss)
                p.wall_seconds, p.cpu_seconds = time.monotonic() - clock[0], time.process_time() - clock[1]
                if run.asked_to_stop():
                    run.save()
                    return False
                if p.batch < total and time.monotonic() - run.saved_at > t.checkpoint_seconds:
                    run.save()
            _end_epoch(run)
            p.wall_seconds, p.cpu_seconds = time.monotonic() - clock[0], time.process_time() - clock[1]
            stop = run.asked_to_stop()
            if p.epoch % t.checkpoint_every == 0 or p.epoch == t.epochs or p.finished or stop:
                run.save()
            if stop and p.epoch < t.epochs:
                return False
    return True


def _step(run: Run, index, done: float) -> float:
    """One optimiser step on the structures ``index`` when the fraction ``done`` of the run is done."""
    t, state, accelerator = run.config.training, run.state, run.accelerator
    rate = t.learning_rate * warm_up_cosine(done, t.warm_up, t.final_learning_rate)
    set_rate(state.optimiser, rate)
    graph, dataset = run.graphs["train"].batch(index, state.progress.epoch + 1)
    graph, dataset = graph.to(accelerator.device), dataset.to(accelerator.device)
    run.model.train()
    state.optimiser.zero_grad(set_to_none=True)
    sums = term_sums(run.terms, run.wrapped(graph, dataset), graph, dataset)
    loss = state.weighting(run.terms, sums)
    accelerator.backward(loss)
    average_gradients(state.weighting, mean_over(accelerator))
    if t.clip is not None:
        accelerator.clip_grad_norm_(run.model.parameters(), t.clip)
    state.optimiser.step()
    state.average.update(run.model, state.progress.step + 1)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise FloatingPointError(
            f"the loss is {value} at step {state.progress.step + 1} (epoch {state.progress.epoch + 1}); "
            f"lower training.learning_rate (now {t.learning_rate}) or training.clip. "
            f"Checkpoints in {run.folder} are from before."
        )
    keep = state.progress.sums
    keep["loss"], keep["batches"] = keep.get("loss", 0.0) + value, keep.get("batches", 0.0) + 1
    return value


def _end_epoch(run: Run) -> None:
    """Count the epoch; evaluate the averaged weights, log, keep the best, and decide whether to stop."""
    t, p = run.config.training, run.state.progress
    p.epoch, p.batch = p.epoch + 1, 0
    if p.epoch % t.evaluate_every and p.epoch < t.epochs:
        return
    mean_loss = p.sums.get("loss", math.nan) / p.sums.get("batches", 1)
    p.sums = {}
    with run.state.average.inside(run.model):
        metrics, terms = evaluate_graphs(run.model, run.graphs["val"], run.terms)
        loss = sum(t.weight * terms[t.name] for t in run.terms)
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the validation loss is {loss} after epoch {p.epoch}; lower training.learning_rate "
                f"(now {t.learning_rate}). Checkpoints in {run.folder} are from before."
            )
        better = p.best is None or loss < p.best
        p.without_improvement = 0 if better else p.without_improvement + 1
        if better:
            p.best, p.best_epoch = loss, p.epoch
            if run.accelerator.is_main_process:
                about = {"run": run.config.name, "epoch": p.epoch, "fingerprints": run.prepared.fingerprints}
                about |= {"elements": _elements(run.graphs["train"])}
                save_model(run.model, run.folder / BEST, **about)
    p.finished = t.patience is not None and p.without_improvement >= t.patience
    val = {f"{m.dataset}/{m.property} ({m.unit})": {"mae": m.mae, "rmse": m.rmse} for m in metrics}
    record = {"epoch": p.epoch, "step": p.step, "train_loss": mean_loss, "val_loss": loss, "val": val}
    record |= {"wall_seconds": round(p.wall_seconds, 3), "cpu_seconds": round(p.cpu_seconds, 3)}
    weights = run.state.weighting.weights(run.terms)
    record |= {"weights": weights} if weights else {}
    if run.accelerator.is_main_process:
        p.log_bytes = run.log.write(record)
        many = len(run.prepared.stores) > 1
        maes = "  ".join(
            "{}{} {:.4g} {}".format(f"{m.dataset}: " if many else "", m.property, *shown(m.mae, m.unit))
            for m in metrics
        )
        mark = "  best" if better else ""
        factors = "  weights " + "  ".join(f"{k} {w:.3g}" for k, w in weights.items()) if weights else ""
        run.display.line(
            f"epoch {p.epoch:4d}  train {mean_loss:.4f}  val {loss:.4f}  MAE {maes}{mark}{factors}"
        )
