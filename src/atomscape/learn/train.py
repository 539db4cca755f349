"""The training loop: one for every model, property and dataset.

    run = train(load_config("qm9_gap"), "runs/qm9_gap")

Everything that changes lives in a ``TrainingState``; it is saved between two batches, so a run killed at any
moment continues from there and ends with the same bits as if nothing had happened.
"""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from rich.console import Console

from atomscape.data.batches import Batches
from atomscape.data.mixture import Mixture
from atomscape.learn.architecture import Architecture, architecture_of
from atomscape.learn.checkpoint import save_model
from atomscape.learn.config import RunConfig
from atomscape.learn.constants.fit import Fitted
from atomscape.learn.diagnostics.speed import Speed
from atomscape.learn.diagnostics.watch import Watch
from atomscape.learn.display import Display
from atomscape.learn.ema import Average
from atomscape.learn.epoch_line import epoch_line
from atomscape.learn.evaluate import evaluate_graphs
from atomscape.learn.fine_tuning.low_rank import adapt
from atomscape.learn.fine_tuning.transplant import Origin, Taken, adopted, origin, started
from atomscape.learn.graphs import GraphSet
from atomscape.learn.labels.inputs import with_inputs
from atomscape.learn.log import Log
from atomscape.learn.machines.acceleration import accelerator_of, called
from atomscape.learn.machines.determinism import Stop, deterministic
from atomscape.learn.machines.ranks import Ranks, explained
from atomscape.learn.machines.sharding import shard, together, whole
from atomscape.learn.machines.union import known_labels, parts_of, share, share_of_loss
from atomscape.learn.measured import elements_of, measured
from atomscape.learn.misfits import fitting_model, refuse_labels
from atomscape.learn.model import Model
from atomscape.learn.objectives import Term, term_sums
from atomscape.learn.parameters import freeze, optimiser_for, set_rate, training_lines
from atomscape.learn.prepare import PARTS, Prepared, prepare
from atomscape.learn.report import end_table, start_table
from atomscape.learn.results import Results, commit, finish
from atomscape.learn.run_folder import (
    BEST,
    LAST,
    identity,
    open_run,
    refuse_other_data,
    refuse_other_start,
    refuse_other_steps,
)
from atomscape.learn.schedule import warm_up_cosine
from atomscape.learn.state import TrainingState
from atomscape.learn.tracking import finish_trackers, start_trackers
from atomscape.learn.weighting.weights import average_gradients, mean_over, weighting_of
from atomscape.ops.allocator import keep_freed_memory
from atomscape.shapes import Tensor


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
    ranks: Ranks
    model: Model
    wrapped: Any
    state: TrainingState
    batches: Batches
    log: Log
    display: Display
    watch: Watch
    taken: Taken | None = None
    speed: Speed = field(default_factory=Speed)
    stop: Stop = field(default_factory=Stop)
    saved_at: float = field(default_factory=time.monotonic)

    @property
    def group(self) -> int:
        """Batches of one optimiser step, over all processes."""
        return self.config.training.accumulate * self.ranks.count

    def save(self) -> None:
        """Write ``last``; all processes have a part in it where the model is spread over them."""
        if self.ranks.main or self.config.training.sharded:
            start = self.taken.hash if self.taken else None
            about = identity(self.prepared.fingerprints, start) | {"batches_per_step": self.group}
            self.state.save(self.folder / LAST, about, write=self.ranks.main)
        self.saved_at = time.monotonic()

    def asked(self) -> tuple[bool, bool]:
        """Whether a signal reached any of the processes, and whether the first finds it is time to save."""
        late = time.monotonic() - self.saved_at > self.config.training.checkpoint_seconds
        stop, save = self.ranks.summed([self.stop.asked, late and self.ranks.main])
        return bool(stop), bool(save)


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
    ConnectionError
        Another process of the run ended or hangs.
    """
    folder = Path(folder)
    keep_freed_memory()
    accelerator, source = accelerator_of(config), commit()
    ranks = Ranks(accelerator.process_index, accelerator.num_processes, accelerator.device)
    with deterministic(config.training.threads, config.seed), explained(ranks, folder):
        console = (console or Console()) if ranks.main else Console(quiet=True)
        prepared = prepare(config, ranks)
        architecture = architecture_of(config, prepared.properties)
        start = origin(config)
        architecture = architecture if start is None else adopted(architecture, start)
        architecture = with_inputs(architecture, prepared.inputs, prepared.labelled)
        candidate = fitting_model(architecture)
        refuse_labels(candidate, prepared.structures)
        cutoff = candidate.cutoff
        if ranks.main:
            open_run(folder, config, resume, overwrite)
        accelerator.wait_for_everyone()
        graphs = {
            part: prepared.graphs(part, cutoff, config.training.cache_gigabytes * 3e8, ranks)
            for part in PARTS
        }
        architecture = measured(architecture, graphs["train"])
        shown = Display(console)
        run = _set_up(config, folder, prepared, architecture, graphs, accelerator, ranks, shown, start)
        console.print(start_table(config, prepared, run.graphs, run.model, run.fitted))
        for line in [*(run.taken.lines() if run.taken else ()), *training_lines(run.model, config.training)]:
            console.print(line, soft_wrap=True)
        if not _loop(run):
            run.display.line(f"Stopped after {run.state.progress.step} steps; nothing is lost.")
            return None
        accelerator.wait_for_everyone()
        finish_trackers(accelerator)
        results = finish(
            config, folder, prepared, run.graphs, run.model, run.fitted, run.state.progress, source, ranks,
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
    ranks: Ranks,
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
    if t.sharded:
        shard(model.to(accelerator.device), ranks, t.precision)
    weighting = weighting_of(t.weighting, terms, model.encoder, mean_over(accelerator))
    weighting.to(accelerator.device)
    optimiser = optimiser_for(model, weighting, t)
    wrapped, optimiser = called(accelerator, model, t), accelerator.prepare(optimiser)
    state = TrainingState(model, optimiser, Average(model, t.ema), weighting, scaler=accelerator.scaler)
    if (folder / LAST).is_file():
        refuse_other_data(folder / LAST, prepared.fingerprints)
        refuse_other_start(folder / LAST, start.hash if start else None)
        refuse_other_steps(folder / LAST, t.accumulate, ranks.count)
        state.load(folder / LAST)
    trackers = (*t.trackers, *(["tensorboard"] if t.tensorboard else []))
    start_trackers(accelerator, trackers, folder, config.name)
    return Run(
        config=config,
        folder=folder,
        prepared=prepared,
        graphs=graphs,
        terms=terms,
        fitted=fitted,
        accelerator=accelerator,
        ranks=ranks,
        model=model,
        wrapped=wrapped,
        state=state,
        batches=_batches(config, graphs["train"], prepared.mixture),
        log=Log(folder, state.progress.log_bytes, accelerator.log if trackers else None),
        display=display,
        watch=Watch(folder if ranks.main else None, 0.0 if t.sharded else t.diagnostics, state.progress.step),
        taken=taken,
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


def _loop(run: Run) -> bool:
    """Train until the end; False if a signal stopped it (then the state is saved)."""
    t, p = run.config.training, run.state.progress
    per_epoch = len(run.batches.groups(0, run.group))
    clock = time.monotonic() - p.wall_seconds, time.process_time() - p.cpu_seconds
    with run.stop.listening(), run.display.shown(p.epoch * per_epoch + p.batch, t.epochs * per_epoch):
        while p.epoch < t.epochs and not p.finished:
            groups = run.batches.groups(p.epoch, run.group)
            total = len(groups)
            for group in groups[p.batch :]:
                loss = _step(run, group, (p.epoch + (p.batch + 1) / total) / t.epochs)
                p.batch, p.step = p.batch + 1, p.step + 1
                _show(run, loss)
                p.wall_seconds, p.cpu_seconds = time.monotonic() - clock[0], time.process_time() - clock[1]
                stop, late = run.asked()
                if stop or (late and p.batch < total):
                    run.save()
                if stop:
                    return False
            _end_epoch(run)
            p.wall_seconds, p.cpu_seconds = time.monotonic() - clock[0], time.process_time() - clock[1]
            stop, _ = run.asked()
            if p.epoch % t.checkpoint_every == 0 or p.epoch == t.epochs or p.finished or stop:
                run.save()
            if stop and p.epoch < t.epochs:
                return False
    return True


def _step(run: Run, group: list[np.ndarray], done: float) -> float:
    """One optimiser step on a group of batches when the fraction ``done`` of the run is done."""
    t, state = run.config.training, run.state
    rate = t.learning_rate * warm_up_cosine(done, t.warm_up, t.final_learning_rate)
    set_rate(state.optimiser, rate)
    run.model.train()
    state.optimiser.zero_grad(set_to_none=True)
    value = _gradient(run, group)
    keep = state.progress.sums
    if t.clip is not None:
        norm = run.accelerator.clip_grad_norm_(run.model.parameters(), t.clip)
        keep["gradient"] = keep.get("gradient", 0.0) + float(whole(cast(Tensor, norm)))
    state.optimiser.step()
    state.average.update(run.model, state.progress.step + 1)
    if not math.isfinite(value):
        raise FloatingPointError(
            f"the loss is {value} at step {state.progress.step + 1} (epoch {state.progress.epoch + 1}); "
            f"lower training.learning_rate (now {t.learning_rate}) or training.clip. "
            f"Checkpoints in {run.folder} are from before."
        )
    keep["loss"], keep["batches"] = keep.get("loss", 0.0) + value, keep.get("batches", 0.0) + 1
    return value


def _show(run: Run, loss: float) -> None:
    """Tell the display of a step, and look at the network where there is time for it."""
    p = run.state.progress
    run.display.advance(p.epoch + 1, loss, run.state.optimiser.param_groups[0]["lr"])
    if run.watch.due():
        where = {"epoch": p.epoch + 1, "step": p.step}
        run.watch.take(run.model, run.terms, run.graphs["train"], where)
        run.display.notes(run.watch.words)


def _gradient(run: Run, group: list[np.ndarray]) -> float:
    """Loss of the union of a group's batches; its gradient is left in the parameters."""
    accelerator, epoch = run.accelerator, run.state.progress.epoch + 1
    mine, counts = parts_of(group, run.ranks)
    with run.speed.waiting():
        parts = [run.graphs["train"].batch(index, epoch) for index in mine]
        parts = [(graph.to(accelerator.device), owner.to(accelerator.device)) for graph, owner in parts]
    known = known_labels(run.terms, run.model, parts, counts, run.ranks)
    value = 0.0
    for k, (graph, owner) in enumerate(parts, 1):
        with accelerator.no_sync(run.wrapped) if k < len(parts) else nullcontext():
            sums = term_sums(run.terms, run.wrapped(graph, owner), graph, owner)
            loss = share_of_loss(
                run.state.weighting, run.terms, share(sums, known, counts, run.ranks), k == 1
            )
            accelerator.backward(loss)
        value += float(loss.detach())
        run.speed.add(graph, counts)
    average_gradients(run.state.weighting, mean_over(accelerator))
    return run.ranks.summed([value])[0] / run.ranks.count


def _end_epoch(run: Run) -> None:
    """Count the epoch; evaluate the averaged weights, log, keep the best, and decide whether to stop."""
    t, p = run.config.training, run.state.progress
    p.epoch, p.batch = p.epoch + 1, 0
    if p.epoch % t.evaluate_every and p.epoch < t.epochs:
        return
    speed = run.speed.report(run.ranks)
    done = p.sums.get("batches", 1)
    along = {"learning_rate": run.state.optimiser.param_groups[0]["lr"]}
    along |= {"gradient": p.sums["gradient"] / done} if "gradient" in p.sums else {}
    run.watch.note({"kind": "speed", "epoch": p.epoch, "step": p.step, **along, **speed})
    mean_loss = p.sums.get("loss", math.nan) / done
    p.sums = {}
    with run.state.average.inside(run.model):
        with together(run.model):
            metrics, terms = evaluate_graphs(run.model, run.graphs["val"], run.terms, run.ranks)
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
            about = {"run": run.config.name, "epoch": p.epoch, "fingerprints": run.prepared.fingerprints}
            about |= {"elements": elements_of(run.graphs["train"])}
            if run.ranks.main or t.sharded:
                save_model(run.model, run.folder / BEST, write=run.ranks.main, **about)
    p.finished = t.patience is not None and p.without_improvement >= t.patience
    val = {f"{m.dataset}/{m.property} ({m.unit})": {"mae": m.mae, "rmse": m.rmse} for m in metrics}
    record = {"epoch": p.epoch, "step": p.step, "train_loss": mean_loss, "val_loss": loss, "val": val}
    record |= {"wall_seconds": round(p.wall_seconds, 3), "cpu_seconds": round(p.cpu_seconds, 3)}
    weights = run.state.weighting.weights(run.terms)
    record |= {"weights": weights} if weights else {}
    if run.ranks.main:
        p.log_bytes = run.log.write(record)
        run.display.speed(speed)
        run.display.evaluated(metrics, len(run.prepared.stores))
        run.display.line(epoch_line(p.epoch, mean_loss, loss, metrics, better, weights))
