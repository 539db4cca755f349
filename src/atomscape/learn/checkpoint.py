"""Files of weights and of training states: safetensors with JSON in their header, written atomically.

One file holds tensors and description together, so a reader never sees one without the other. A write goes
to a temporary file beside the target, is flushed to the disk and renamed: a crash leaves the old or the new.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from atomscape import __version__
from atomscape.learn.architecture import Architecture
from atomscape.learn.fine_tuning.low_rank import merged
from atomscape.learn.machines.sharding import whole_state
from atomscape.learn.model import Model
from atomscape.shapes import Tensor

FORMAT = 1
UPGRADERS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Format number → function that turns a header of that format into one of the next."""


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a file's content in one step that a crash cannot split.

    Raises
    ------
    OSError
        The folder cannot be written; the message says which.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(
            f"cannot write {path}: {error.strerror or error}; the former file is untouched"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON header as one safetensors file, atomically."""
    plain = {k: t.detach().cpu().contiguous().clone() for k, t in tensors.items()}
    write_atomic(path, save(plain, {"json": json.dumps(header, sort_keys=True)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and header.

    Raises
    ------
    ValueError
        Not a file of ours, or damaged.
    """
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    try:
        with safe_open(path, "pt") as f:
            header = json.loads((f.metadata() or {})["json"])
            return {k: f.get_tensor(k) for k in f.keys()}, header  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a file written by atomscape, or it is damaged: {error}") from error


def save_model(model: Model, path: str | Path, write: bool = True, **about: Any) -> Path:
    """Write weights, architecture, and whatever is told ``about`` the model (data fingerprints, metrics).

    Where the model is spread over processes all have to save, and one of them to ``write``.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    path = Path(path)
    header = {
        "kind": "model",
        "format": FORMAT,
        "atomscape": __version__,
        "architecture": model.architecture.model_dump(mode="json"),
        "about": about,
    }
    weights = whole_state(merged(model))
    if write:
        write_tensors(path, weights, header)
    return path


def load_model(path: str | Path, device: torch.device | str = "cpu") -> Model:
    """Read a model from a file, or from a run folder (its ``best.safetensors``); in evaluation mode.

    Raises
    ------
    ValueError
        No model there, a damaged file, or one of a newer format.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "best.safetensors").is_file():
            raise ValueError(
                f"{path} holds no best.safetensors: it is no run folder, or nothing was evaluated yet"
            )
        path = path / "best.safetensors"
    tensors, header = read_tensors(path)
    if header.get("kind") != "model":
        raise ValueError(
            f"{path} is a {header.get('kind')!r} file; a model is needed (best.safetensors of a run)"
        )
    header = upgraded(header, path)
    model = Model(Architecture.model_validate(header["architecture"]))
    model.load_state_dict(tensors)
    model.about = header["about"]
    return model.to(device).eval()


def upgraded(header: dict[str, Any], path: Path) -> dict[str, Any]:
    """Bring a header of an older format up to ``FORMAT``.

    Raises
    ------
    ValueError
        The file was written by a newer version.
    """
    while header["format"] < FORMAT:
        header = UPGRADERS[header["format"]](header) | {"format": header["format"] + 1}
    if header["format"] > FORMAT:
        raise ValueError(
            f"{path} was written by atomscape {header['atomscape']} (format {header['format']}); "
            f"this is atomscape {__version__} (format {FORMAT}): update atomscape"
        )
    return header
