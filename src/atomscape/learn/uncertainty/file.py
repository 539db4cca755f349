"""The file of an uncertainty, beside the model it belongs to: ``uncertainty.safetensors`` of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atomscape import __version__
from atomscape.learn.checkpoint import FORMAT, read_tensors, upgraded, write_tensors
from atomscape.learn.model import Model
from atomscape.learn.uncertainty.calibrate import Scale
from atomscape.learn.uncertainty.fit import HeadUncertainty, LastLayerUncertainty
from atomscape.learn.uncertainty.rigidity import Rigidity

UNCERTAINTY = "uncertainty.safetensors"
KIND = "uncertainty"


def save_uncertainty(uncertainty: LastLayerUncertainty, path: str | Path, **about: Any) -> Path:
    """Write an uncertainty, and whatever is told ``about`` it (data fingerprints, counts).

    Raises
    ------
    OSError
        The file cannot be written.
    """
    path, tensors, heads = Path(path), {}, {}
    for key, head in uncertainty.heads.items():
        tensors[f"{key}.values"], tensors[f"{key}.vectors"] = head.rigidity.values, head.rigidity.vectors
        heads[key] = {
            "scales": {name: scale.as_dict() for name, scale in head.scales.items()},
            "ridge": head.ridge,
            "largest": head.largest,
            "largest_atom": head.largest_atom,
        }
    header = {
        "kind": KIND,
        "format": FORMAT,
        "atomscape": __version__,
        "model_hash": uncertainty.model_hash,
        "heads": heads,
        "constant": uncertainty.constant,
        "about": about,
    }
    write_tensors(path, tensors, header)
    return path


def load_uncertainty(path: str | Path, model: Model) -> LastLayerUncertainty:
    """Read the uncertainty of a model from a file, or from a run's folder.

    Raises
    ------
    ValueError
        None was fitted, a damaged file, or one that was fitted to other weights.
    """
    path = Path(path)
    if path.is_dir():
        path = path / UNCERTAINTY
        if not path.is_file():
            raise ValueError(
                f"{path.parent} has no {UNCERTAINTY}; make it: atomscape uncertainty {path.parent}"
            )
    tensors, header = read_tensors(path)
    if header.get("kind") != KIND:
        raise ValueError(f"{path} is a {header.get('kind')!r} file; an uncertainty is needed ({UNCERTAINTY})")
    header = upgraded(header, path)
    heads, device = {}, next(model.parameters()).device
    for key, h in header["heads"].items():
        rigidity = Rigidity(tensors[f"{key}.values"].to(device), tensors[f"{key}.vectors"].to(device))
        scales = {name: Scale(**scale) for name, scale in h["scales"].items()}
        heads[key] = HeadUncertainty(rigidity, scales, h["ridge"], h["largest"], h["largest_atom"])
    found = LastLayerUncertainty(header["model_hash"], heads, header["constant"])
    found.check(model)
    return found
