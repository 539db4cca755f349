"""Who is compared: how a side trains for so many epochs, how far it is, and what it predicts.

Each side trains by its own program as a process of its own, with its own schedule, which ends with the last
epoch; the weights that were best on the validation part predict. Sizes are alike: cutoff, batch and split are
the task's, channels and degrees those of ``ENCODERS``.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import yaml
from ase.data import chemical_symbols
from budget import ONE_THREAD
from judge import Predictions
from tasks import HERE, Task

from atomscape import __version__
from atomscape.learn.checkpoint import load_model
from atomscape.learn.config import RunConfig
from atomscape.learn.evaluate import predict
from atomscape.learn.recipe import to_yaml
from atomscape.nn.foreign.interpreter import interpreter

ENCODERS: dict[str, dict[str, Any]] = {
    "mace": {"kind": "mace", "l_max": 3, "l_hidden": 1, "correlation": 3, "channels": 64, "layers": 2},
    "nequip": {"kind": "nequip", "l_max": 2, "channels": 32, "layers": 4},
    "tfn": {"kind": "tfn", "l_max": 2, "channels": 32, "layers": 3},
}
"""Ours: kind and sizes."""

MACE = {"hidden_irreps": "64x0e + 64x1o", "max_ell": 3, "correlation": 3, "num_interactions": 2}
NEQUIP = {"num_layers": 4, "l_max": 2, "parity": False, "num_features": 32}
STAGE_TWO = 0.75
"""Share of the epochs after which mace-torch weighs energies more."""


class Side(Protocol):
    """One way to make a potential."""

    def command(self, task: Task, folder: Path, epochs: int, seed: int) -> Sequence[str | Path]:
        """Make the folder ready and return what trains there; called again, what continues."""
        ...

    def epochs(self, folder: Path) -> int:
        """Epochs that are finished."""
        ...

    def predict(self, task: Task, folder: Path, epochs: int, seed: int) -> tuple[Predictions, dict[str, Any]]:
        """Of the test frames, by the best weights; and what is to be told of them."""
        ...


@dataclass(frozen=True)
class Ours:
    """An encoder of this package with a head for the energy."""

    encoder: str

    def command(self, task: Task, folder: Path, epochs: int, seed: int) -> Sequence[str | Path]:
        """The command that a user would give."""
        encoder = {**ENCODERS[self.encoder], "cutoff": task.cutoff}
        return training_of(task.config(seed, f"encoder={encoder}", f"training.epochs={epochs}"), folder)

    def epochs(self, folder: Path) -> int:
        """By the log."""
        return lines(folder / "run" / "metrics.jsonl")

    def predict(self, task: Task, folder: Path, epochs: int, seed: int) -> tuple[Predictions, dict[str, Any]]:
        """By the best model of the run."""
        model = load_model(folder / "run" / "best.safetensors")
        found = [p for _, p in predict(model, task.structures("test"))]
        predictions = {k: torch.cat([p[k] for p in found]) for k in found[0]}
        packages = {name: version(name) for name in ("torch", "numpy", "numba")}
        about = {
            "parameters": model.n_parameters,
            "versions": {"atomscape": __version__, **packages},
            "best_epoch": model.about["epoch"],
            "settings": yaml.safe_load((folder / "asked.yaml").read_text()),
        }
        return predictions, about


@dataclass(frozen=True)
class MaceTorch:
    """The package mace-torch, trained by ``mace_run_train`` as its documentation advises.

    Loss of energies and forces 1 : 100, in the last quarter 1000 : 100, the rate falling from 0.01 to 0.001
    until then; averaged weights; AMSGrad. float32, as ours.
    """

    def command(self, task: Task, folder: Path, epochs: int, seed: int) -> Sequence[str | Path]:
        """Its own program; with ``restart_latest`` it continues where there is something."""
        task.export(folder / "data")
        return [interpreter("mace"), "-m", "mace.cli.run_train", *self.arguments(task, folder, epochs, seed)]

    def arguments(self, task: Task, folder: Path, epochs: int, seed: int) -> list[str]:
        """Options of the program."""
        turn = max(1, round(STAGE_TWO * epochs))
        batch = task.config(seed).training.batch.structures
        options = {
            **MACE,
            "name": "mace",
            "seed": seed,
            "work_dir": folder,
            "model": "MACE",
            "r_max": task.cutoff,
            "train_file": folder / "data" / "train.xyz",
            "valid_file": folder / "data" / "val.xyz",
            "E0s": "{" + ", ".join(f"{z}: 0.0" for z in task.elements) + "}",
            "energy_key": "REF_energy",
            "forces_key": "REF_forces",
            "stress_key": "REF_stress",
            "compute_stress": task.has_stress,
            "loss": "stress" if task.has_stress else "weighted",
            "batch_size": batch,
            "valid_batch_size": 10,
            "max_num_epochs": epochs,
            "lr": 0.01,
            "scheduler": "ExponentialLR",
            "lr_scheduler_gamma": 0.1 ** (1 / turn),
            "start_swa": turn,
            "ema_decay": 0.99,
            "default_dtype": "float32",
            "device": "cpu",
            "plot": False,
            "error_table": "TotalRMSE",
        }
        flags = ["--swa", "--ema", "--amsgrad", "--restart_latest"]
        return [f"--{key}={value}" for key, value in options.items()] + flags

    def epochs(self, folder: Path) -> int:
        """By its log of evaluations, the one before any training left out."""
        found = list((folder / "results").glob("*_train.txt"))
        rows = [json.loads(line) for file in found for line in file.read_text().splitlines()]
        return sum(row["mode"] == "eval" and row["epoch"] is not None for row in rows)

    def predict(self, task: Task, folder: Path, epochs: int, seed: int) -> tuple[Predictions, dict[str, Any]]:
        """In its own environment."""
        arguments = self.arguments(task, folder, epochs, seed)
        script = [interpreter("mace"), HERE / "peer_mace.py", folder, folder / "data" / "test.xyz"]
        return read_predictions(task, folder, [*script, folder / "test.npz", *arguments], arguments)


@dataclass(frozen=True)
class Nequip:
    """The package nequip, trained by ``nequip-train`` with its averaged weights and per-atom loss."""

    def command(self, task: Task, folder: Path, epochs: int, seed: int) -> Sequence[str | Path]:
        """Its own program; from its newest checkpoint, where there is one."""
        task.export(folder / "data")
        (folder / "config.yaml").write_text(yaml.safe_dump(nequip_config(task, folder, epochs, seed)))
        command = [interpreter("nequip"), "-m", "nequip.scripts.train", "-cp", folder, "-cn", "config"]
        last = folder / "last.ckpt"
        return [*command, f"hydra.run.dir={folder}", *([f"++ckpt_path={last}"] if last.is_file() else [])]

    def epochs(self, folder: Path) -> int:
        """By the table that it writes."""
        found = list(folder.glob("log/*/metrics.csv"))
        rows = [row.split(",") for file in found for row in file.read_text().splitlines()[1:]]
        heads = found[0].read_text().splitlines()[0].split(",") if found else []
        if "val0_epoch/weighted_sum" not in heads:
            return 0
        column = heads.index("val0_epoch/weighted_sum")
        return sum(len(row) > column and row[column] != "" for row in rows)

    def predict(self, task: Task, folder: Path, epochs: int, seed: int) -> tuple[Predictions, dict[str, Any]]:
        """In its own environment."""
        settings = nequip_config(task, folder, epochs, seed)
        script = [interpreter("nequip"), HERE / "peer_nequip.py", folder / "best.ckpt"]
        frames = folder / "data" / "test.xyz"
        return read_predictions(task, folder, [*script, frames, folder / "test.npz"], settings)


def nequip_config(task: Task, folder: Path, epochs: int, seed: int) -> dict[str, Any]:
    """Config of the package: a rate of 0.01 that falls to a hundredth along a cosine."""
    names = [chemical_symbols[z] for z in task.elements]
    parts = {"EnergyForceStress" if task.has_stress else "EnergyForce": 1.0}
    kind = next(iter(parts))
    terms = ("total_energy", "forces", *(("stress",) if task.has_stress else ()))
    batch = task.config(seed).training.batch.structures
    loader = {"_target_": "torch.utils.data.DataLoader", "num_workers": 0}
    stats = {"_target_": "nequip.data.CommonDataStatisticsManager", "type_names": names}
    data = {
        "_target_": "nequip.data.datamodule.ASEDataModule",
        "seed": seed,
        "train_file_path": str(folder / "data" / "train.xyz"),
        "val_file_path": str(folder / "data" / "val.xyz"),
        "ase_args": {"format": "extxyz"},
        "key_mapping": {"REF_energy": "total_energy", "REF_forces": "forces", "REF_stress": "stress"},
        "transforms": [
            {
                "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
                "model_type_names": names,
            },
            {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": task.cutoff},
        ],
        "train_dataloader": {**loader, "batch_size": batch, "shuffle": True},
        "val_dataloader": {**loader, "batch_size": 10},
        "stats_manager": {**stats, "dataloader_kwargs": {"batch_size": 10}},
    }
    watched = {"monitor": "val0_epoch/weighted_sum", "dirpath": str(folder), "save_last": True}
    trainer = {
        "_target_": "lightning.Trainer",
        "accelerator": "cpu",
        "max_epochs": epochs,
        "enable_progress_bar": False,
        "logger": {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": str(folder), "name": "log"},
        "callbacks": [
            {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "filename": "best", **watched}
        ],
    }
    model = {
        "_target_": "nequip.model.NequIPGNNModel",
        "seed": seed,
        "model_dtype": "float32",
        "type_names": names,
        "r_max": task.cutoff,
        **NEQUIP,
        "avg_num_neighbors": "${training_data_stats:num_neighbors_mean}",
        "per_type_energy_scales": "${training_data_stats:forces_rms}",
        "per_type_energy_shifts": "${training_data_stats:per_atom_energy_mean}",
    }
    schedule = {
        "_target_": "torch.optim.lr_scheduler.CosineAnnealingLR",
        "T_max": epochs,
        "eta_min": 1e-4,
    }
    module = {
        "_target_": "nequip.train.EMALightningModule",
        "ema_decay": 0.99,
        "loss": {
            "_target_": f"nequip.train.{kind}Loss",
            "per_atom_energy": True,
            "coeffs": dict.fromkeys(terms, 1.0),
        },
        "val_metrics": {
            "_target_": f"nequip.train.{kind}Metrics",
            "coeffs": {"per_atom_energy_rmse": 1.0, **{f"{t}_rmse": 1.0 for t in terms[1:]}},
        },
        "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.01, "amsgrad": True},
        "lr_scheduler": {"scheduler": schedule, "interval": "epoch", "frequency": 1},
        "model": model,
    }
    return {"run": ["train"], "data": data, "trainer": trainer, "training_module": module}


SIDES: dict[str, Side] = {
    **{name: Ours(name) for name in ENCODERS},
    "mace-torch": MaceTorch(),
    "nequip-package": Nequip(),
}
"""Name in the command and in files → side."""


def read_predictions(
    task: Task, folder: Path, command: Sequence[str | Path], settings: Any
) -> tuple[Predictions, dict[str, Any]]:
    """Run a peer's script and read what it wrote; references are added to its energies.

    Raises
    ------
    RuntimeError
        It failed; the end of its output is shown.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, env=_environment())
    if done.returncode:
        raise RuntimeError(f"{words[1]} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    with np.load(folder / "test.npz") as file:
        found = {k: torch.from_numpy(file[k]) for k in file.files if k != "about"}
        about = json.loads(str(file["about"]))
    found["energy"] = found["energy"] + task.reference_energies(task.structures("test"))
    return found, {**about, "settings": settings}


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, **ONE_THREAD}


def training_of(config: RunConfig, folder: Path) -> Sequence[str | Path]:
    """The command that a user would give for a config; called again, what continues."""
    file = folder / "asked.yaml"
    file.write_text(to_yaml(config))
    there = (folder / "run" / "last.safetensors").is_file()
    command = [sys.executable, "-m", "atomscape", "train", file, "--out", folder / "run"]
    return [*command, "--resume"] if there else command


def lines(file: Path) -> int:
    """Lines of a file that may not be there yet."""
    return len(file.read_text().splitlines()) if file.is_file() else 0


MACHINE = f"{platform.machine()} {platform.system()}"
