"""Every named dataset of which a copy is at hand: converted, audited, and trained on for a step."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
import torch
from rich.console import Console

from atomscape.data.audit import audit
from atomscape.data.get import catalogue
from atomscape.data.load import load
from atomscape.data.store import Store, write_store
from atomscape.learn.train import train
from atomscape.learn.zero_config import config_for

SMALL = ("encoder={kind: schnet, channels: 8, layers: 1, cutoff: 3.5}", "training.epochs=1", "data.0.limit=4")
SMALL_TENSORS = ("encoder.channels=4", "encoder.layers=1", "encoder.cutoff=3.5", *SMALL[1:])
"""The encoder whose degrees fit the tensors, but narrow."""

MOST = 40
"""Structures of a dataset that are trained on; all of them are converted."""

TRUE_FINDINGS = {
    "n_body:charged": {"distances"},  # particles are no atoms: they meet
    "n_body:gravity": {"distances"},
    "nets": {"cells", "distances"},  # edges of a net have length 1
    "symmetry": {"distances"},  # made to have a symmetry, not to be crystals
}


def names() -> list[str]:
    """Datasets that are here; listed before anything is read, so that each is a test of its own."""
    if not os.path.isdir(os.environ.get("ATOMSCAPE_DATA", "")):
        return []
    return [entry.name for entry in catalogue() if entry.state in ("here", "embedded", "generated")]


@pytest.mark.real
@pytest.mark.parametrize("name", names())
def test_from_files_to_a_step_of_training(name, tmp_path) -> None:
    store = load(name)
    assert len(store) == store.card.n_structures > 0
    assert store.card.name == name
    assert store.card.licence
    assert store.card.verified or store.card.embedded
    labels = [n for n in store.properties if np.isfinite(store.values(n)).any()]
    assert labels, "a dataset without any label cannot be learnt from"
    part = few(store, tmp_path / "few")
    found = audit(part)
    serious = {f.check: str(f) for f in found.findings if f.severity == "serious"}
    assert {*serious} <= TRUE_FINDINGS.get(name, set()), serious
    run = tmp_path / "run"
    small = SMALL if scalars_only(part) else SMALL_TENSORS
    results = train(config_for(str(part.folder), small), run, console=Console(file=io.StringIO()))
    assert results is not None
    assert (run / "results.json").is_file()


def scalars_only(store: Store) -> bool:
    return all(not p.shape or p.derivative_of for p in store.properties.values())


def few(store: Store, folder) -> Store:
    """Some small structures of a dataset, with a scalar of each tensor so that any head can learn it."""
    small = np.argsort(store.counts, kind="stable")[: max(MOST, len(store) // 4)]
    known = [n for n, p in store.properties.items() if p.name not in ("total_charge", "total_spin")]
    labelled = np.zeros(len(store), dtype=bool)
    for n in known:
        values = np.isfinite(store.values(n).reshape(len(store.values(n)), -1)).all(1)
        if store.properties[n].per == "atom":
            values = np.logical_and.reduceat(values, np.cumsum(store.counts) - store.counts)
        labelled |= values
    if "energy" in known:  # what is learnt by default where it is there
        labelled = np.isfinite(store.values("energy"))
    rows = [int(r) for r in small if labelled[r]]
    chosen = store[np.random.default_rng(0).permutation(rows)[:MOST]]
    for n in known:
        p = store.properties[n]
        if p.per == "structure" and p.shape and p.shape[-2:] == (3, 3) and n in chosen.labels:
            mean = torch.einsum("...ii->...", chosen.labels[n]).reshape(len(chosen), -1).mean(1) / 3
            chosen = chosen.with_labels(**{f"mean_of_{n}": mean})
    return write_store(folder, [chosen], store.card.with_counts(splits={}))
