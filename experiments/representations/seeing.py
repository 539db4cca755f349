"""What a representation sees, ignores and costs, measured."""

from __future__ import annotations

import time
import zlib
from dataclasses import replace

import numpy as np
import torch

from atomscape.atoms.representation import INVARIANCES, SIGHTS, Representation
from atomscape.atoms.structures import Structures
from atomscape.find import find
from atomscape.testing import representation_laws as laws

LATTICE = ("lattice translation", "unimodular cell", "supercell")


def built(name: str, settings: dict) -> Representation:
    """A representation by name."""
    module = find("representations", name)
    return module.build(module.Config(**settings))


def cost(representation: Representation, structures: Structures) -> dict[str, float]:
    """Bytes per structure, as float32 or text and packed by zlib, and milliseconds of CPU time."""
    representation(structures[:2])
    start = time.process_time()
    out = representation(structures)
    spent = time.process_time() - start
    rows = [str(t).encode() for t in out] if isinstance(out, np.ndarray) else [
        row.float().numpy().tobytes() for row in out
    ]  # fmt: skip
    return {
        "bytes": float(np.mean([len(r) for r in rows])),
        "bytes_packed": float(np.mean([len(zlib.compress(r)) for r in rows])),
        "milliseconds": 1e3 * spent / len(structures),
        "numbers": 0 if isinstance(out, np.ndarray) else out.shape[1],
    }


def violations(representation: Representation, structures: Structures) -> dict[str, float]:
    """Relative change under each description that ought not to matter; of single structures, the mean."""
    names = [i for i in INVARIANCES if i not in LATTICE or bool(structures.pbc.any())]
    found = {}
    for name in names:
        each = []
        for s in structures:
            try:
                each.append(laws.violation(representation, name, s))
            except ValueError:  # a supercell that does not fit the room
                continue
        found[name] = float(np.mean(each)) if each else float("nan")
    return found


def told_apart(representation: Representation) -> dict[str, dict[str, float]]:
    """Relative change between pairs that differ in one respect, for molecules and crystals."""
    return {
        sight: {
            kind: laws.difference(representation(one), representation(other))
            for kind, (one, other) in laws.pairs_that_differ_in(sight).items()
            if kind in representation.claims.applies
        }
        for sight in SIGHTS
    }


def shared(out: np.ndarray) -> float:
    """Share of structures whose representation another one has too."""
    if out.dtype.kind == "U":
        _, counts = np.unique(out, return_counts=True)
        return float(counts[counts > 1].sum() / len(out))
    x = out[np.isfinite(out).all(1)]
    scale = np.abs(x).max() or 1.0
    _, counts = np.unique(np.round(x / scale, 7), axis=0, return_counts=True)
    return float(counts[counts > 1].sum() / max(len(x), 1))


def freedoms_seen(representation: Representation, structures: Structures) -> float:
    """Independent changes of the features as atoms move, per inner degree of freedom (3n − 6), at most one.

    The rank of the derivative by the positions; one means that a small change of the shape always shows.
    Atoms are rattled first: in a mirror plane, what ignores reflection cannot change to first order.
    """
    if representation.claims.form == "text":
        return 0.0
    shares, h = [], 1e-4
    rattle = torch.Generator().manual_seed(0)
    for at_rest in structures:
        noise = torch.randn(at_rest.positions.shape, generator=rattle, dtype=torch.float64)
        s = replace(at_rest, positions=at_rest.positions + 0.05 * noise)
        columns = []
        for a in range(s.n_atoms):
            for c in range(3):
                step = torch.zeros_like(s.positions)
                step[a, c] = h
                there, here = (
                    representation(replace(s, positions=s.positions + sign * step)) for sign in (1, -1)
                )
                columns.append((there - here)[0] / (2 * h))
        J = torch.nan_to_num(torch.stack(columns))
        singular = torch.linalg.svdvals(J)
        rank = int((singular > 1e-8 * singular.max().clamp_min(1e-9)).sum())
        shares.append(min(rank / max(3 * s.n_atoms - 6, 1), 1.0))
    return float(np.mean(shares))


def bonds_of(structures: Structures) -> np.ndarray:
    """Per molecule: double and triple bonds, aromatic bonds, rings; NaN where no bonds fit."""
    from atomscape.atoms.rdkit import to_rdkit

    rows = np.full((len(structures), 4), np.nan)
    for row, m in zip(rows, to_rdkit(structures), strict=True):
        if m is not None:
            orders = [b.GetBondTypeAsDouble() for b in m.GetBonds()]
            row[:] = [orders.count(2.0), orders.count(3.0), orders.count(1.5), m.GetRingInfo().NumRings()]
    return rows


def bonding_read(x: np.ndarray, bonds: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """R² of a linear readout of ``bonds_of`` from features, mean over its columns, on the test part."""
    from sklearn.linear_model import RidgeCV

    known = np.isfinite(bonds).all(1)
    train, test = train[known[train]], test[known[test]]
    deviation = x[train].std(0)
    alive = deviation > 1e-4 * deviation.max()
    scaled = (x[:, alive] - x[train][:, alive].mean(0)) / deviation[alive]
    model = RidgeCV(alphas=(1.0, 10.0, 100.0, 1e3, 1e4), cv=5).fit(scaled[train], bonds[train])
    residual = bonds[test] - model.predict(scaled[test])
    total = bonds[test] - bonds[test].mean(0)
    return float(np.mean(1 - (residual**2).sum(0) / (total**2).sum(0)))


def represented(name: str, settings: dict, structures: Structures) -> float:
    """Share of structures to which a representation gives finite numbers or a text."""
    fits = {**settings, **({"atoms": int(structures.counts.max())} if "atoms" in settings else {})}
    fits.pop("elements", None)
    representation, good = built(name, fits), 0
    for s in structures:
        try:
            out = representation(s)
        except ValueError:
            continue
        good += bool(out[0]) if isinstance(out, np.ndarray) else bool(out.isfinite().all())
    return good / len(structures)
