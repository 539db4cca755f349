"""From and to ASE: structures, and their labels by the key conventions of extxyz files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from ase import Atoms

from atomscape.atoms.columns import ID_KEYS, ISOLATED, Row, columns_of
from atomscape.atoms.labels import Label, LabelMap, label_map
from atomscape.atoms.properties import property_named
from atomscape.atoms.stresses import as_tensor, stress_of, to_voigt
from atomscape.atoms.structures import Structures
from atomscape.atoms.validate import check
from atomscape.shapes import Tensor

RESULTS = {
    "energy": "energy",
    "forces": "forces",
    "stress": "stress",
    "dipole": "dipole",
    "charges": "charges",
    "magnetic_moments": "magmoms",
}
"""Labels that ASE keeps in a calculator, by ASE's names."""

_RENAMED = {"free_energy": "gibbs_free_energy", "tags": "surface_tags"}
"""Labels under another key, because ASE means something else by theirs."""


def from_ase(
    images: Atoms | Iterable[Atoms], labels: LabelMap | None = None, *, checked: bool = True
) -> Structures:
    """Batch ASE structures, with their labels in float64.

    Rows of the cell along non-periodic directions are dropped, and so is the stress of structures that are
    not periodic in all three. Structures without a label have NaN. A structure's id is its ``info["id"]`` or
    ``["name"]``; ``config_type=IsolatedAtom`` becomes the label ``isolated_atom``.

    Parameters
    ----------
    images
        One structure or many.
    labels
        Which columns are which labels, from ``label_map``, which also says what was found. Without it the
        conventions decide; print ``label_map(images)`` to see how.
    checked
        Whether ill-formed structures are refused; only who looks for them asks otherwise.

    Raises
    ------
    ValueError
        A structure is ill-formed (unknown element, NaN position, singular periodic cell, partial
        occupancies), a label has the wrong shape, or labels are ambiguous (see ``label_map``).
    """
    images = [images] if isinstance(images, Atoms) else list(images)
    if not images:
        return Structures.empty()
    for k, image in enumerate(images):
        _refuse_disorder(image, k)
    labels = label_map(images) if labels is None else labels
    counts = np.array([len(image) for image in images])
    rows = [columns_of(image) for image in images]
    values = {label.property.name: _values(label, images, rows) for label in labels.labels}
    values |= _isolated(images, labels.isolated)
    free = {p.name for p in labels.properties.values() if p.per == "atom" and property_named(p.name) is None}
    ids = tuple(_id(image) for image in images)
    pbc = np.stack([image.pbc for image in images])
    cell = np.stack([image.cell.array for image in images]) * pbc[..., None]
    structures = Structures(
        torch.from_numpy(np.concatenate([image.positions for image in images]).astype(np.float64)),
        torch.from_numpy(np.concatenate([image.numbers for image in images]).astype(np.int64)),
        torch.from_numpy(cell),
        torch.from_numpy(pbc),
        torch.from_numpy(np.repeat(np.arange(len(images)), counts)),
        values,
        ids if any(ids) else (),
        frozenset(free),
    )
    if checked:
        check(structures)
    return structures


def to_ase(structures: Structures) -> list[Atoms]:
    """ASE structures; ``from_ase`` of them gives the same back.

    Energy, forces, stress (Voigt, tension positive), dipole, charges and magnetic moments go to a
    ``SinglePointCalculator``, other labels to ``info`` and ``arrays``, ids to ``info["id"]``. A tensor per
    atom becomes a row of numbers, as files keep it. Labels that are not known (NaN) are left out.
    """
    positions = structures.positions.detach().cpu().double().numpy()
    numbers, pbc = structures.numbers.cpu().numpy(), structures.pbc.cpu().numpy()
    cell = structures.cell.detach().cpu().double().numpy()
    per_atom = {
        k: v.detach().cpu().numpy() for k, v in structures.labels.items() if structures.runs_over_atoms(k)
    }
    whole = {k: v.detach().cpu().numpy() for k, v in structures.labels.items() if k not in per_atom}
    images = []
    for s, (a, b) in enumerate(pairwise(structures.offsets.tolist())):
        image = Atoms(numbers[a:b], positions[a:b], cell=cell[s], pbc=pbc[s])
        if structures.ids and structures.ids[s]:  # an empty one would spoil the line of an extended xyz
            image.info["id"] = structures.ids[s]
        labels = {k: v[a:b] for k, v in per_atom.items()} | {k: np.asarray(v[s]) for k, v in whole.items()}
        _attach(image, {k: v for k, v in labels.items() if not np.isnan(v).all()}, per_atom.keys())
        images.append(image)
    return images


def _attach(image: Atoms, labels: dict[str, np.ndarray], per_atom: Iterable[str]) -> None:
    from ase.calculators.singlepoint import SinglePointCalculator

    results = {}
    for name, value in labels.items():
        if name in RESULTS:
            value = to_voigt(value) if name == "stress" else value
            results[RESULTS[name]] = value.item() if value.ndim == 0 else value.copy()
        elif name == "isolated_atom":
            if value == 1:
                image.info["config_type"] = "IsolatedAtom"
        elif name in per_atom:
            rows = value.reshape(len(value), -1) if value.ndim > 2 else value
            image.set_array(_RENAMED.get(name, name), rows.copy())
        else:
            image.info[_RENAMED.get(name, name)] = value.item() if value.ndim == 0 else value.copy()
    if results:
        image.calc = SinglePointCalculator(image, **results)


def _values(label: Label, images: Sequence[Atoms], columns: Sequence[Row]) -> Tensor:
    """Values of one label over a batch, NaN where a structure has none."""
    prop, rows = label.property, []
    for k, (image, row) in enumerate(zip(images, columns, strict=True)):
        shape = (len(image), *prop.shape) if prop.per == "atom" else prop.shape
        value: Any = row.get((label.place, label.key))
        try:
            values = np.full(shape, np.nan) if value is None else _value(label, image, value, shape)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"structure {k}: column {label.key!r} does not fit {prop.name!r} "
                f"(expected shape {shape}, found {np.asarray(value).shape}): {error}"
            ) from error
        rows.append(values if prop.per == "atom" else values[None])
    return torch.from_numpy(np.concatenate(rows) * label.factor)


def _value(label: Label, image: Atoms, value, shape: tuple[int, ...]) -> np.ndarray:
    if label.property.name == "stress":
        return stress_of(image, value, label.virial)
    if label.property.shape == (3, 3) and label.property.per == "structure":
        return as_tensor(value)
    return np.asarray(value, dtype=np.float64).reshape(shape)


def _isolated(images: Sequence[Atoms], always: bool) -> dict[str, Tensor]:
    marks = [str(image.info.get("config_type", "")).lower() == ISOLATED for image in images]
    return {"isolated_atom": torch.tensor(marks, dtype=torch.float64)} if always or any(marks) else {}


def _id(image: Atoms) -> str:
    """The structure's name; frames of Open Catalyst trajectories are told apart by ``fid``: ``sid/fid``."""
    if "sid" in image.info and "fid" in image.info and "id" not in image.info:
        return f"{image.info['sid']}/{image.info['fid']}"
    for key in ID_KEYS:
        value = image.info.get(key)
        if isinstance(value, str | int | np.integer):
            return str(value)
    return ""


def _refuse_disorder(image: Atoms, k: int) -> None:
    """CIF readers keep one element of a shared site; the structure they return is then not the one meant."""
    occupancy = image.info.get("occupancy")
    if not isinstance(occupancy, dict):
        return
    for site, shares in occupancy.items():
        if isinstance(shares, dict) and any(abs(share - 1.0) > 1e-6 for share in shares.values()):
            raise ValueError(
                f"structure {k} is disordered: site {site} holds {shares}. Only full occupancies can be "
                "read; make an ordered supercell first."
            )
