"""From embeddings to the page: columns, figures, files beside it, and the same map for turned structures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from atomscape.atlas.columns import columns_of
from atomscape.atlas.embed import embed
from atomscape.atlas.map import dataset_names, make_map
from atomscape.atlas.project import load_projection
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.store import write_store
from atomscape.o3.rotation import random_rotation
from atomscape.testing import cases
from atomscape.testing.compare import rotated
from atomscape.testing.toy import ToyEncoder


def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ToyEncoder(cutoff=3.0).double()


def stretched(one: Structures, n: int) -> list[Structures]:
    """Copies that differ in size and, a little, in shape."""
    shear = torch.tensor([[0.0, 0.02, 0.0], [0.0, 0.0, -0.03], [0.01, 0.0, 0.0]], dtype=torch.float64)
    out = []
    for k in range(n):
        F = torch.eye(3, dtype=torch.float64) * (1 + 0.01 * k) + (k % 3) * shear
        out.append(replace(one, positions=one.positions @ F, cell=one.cell @ F))
    return out


def molecules(folder, turn=None):
    parts = [m for make in (cases.ethanol, cases.water, cases.chiral) for m in stretched(make(), 6)]
    n = len(parts)
    whole = Structures.concatenate(parts if turn is None else [rotated(p, turn) for p in parts])
    labels = {
        "gap": torch.linspace(1, 2, n, dtype=torch.float64),
        "energy": -10 * whole.counts.double(),
        "dipole": torch.ones(n, 3, dtype=torch.float64),
        "forces": torch.zeros(whole.n_atoms, 3, dtype=torch.float64),
    }
    whole = replace(whole, labels=labels, ids=tuple(f"m{k}" for k in range(n)))
    return write_store(folder, [whole], Card(name="molecules", licence="CC0", citation="Nobody (2024)"))


def crystals(folder):
    parts = [s for make in (cases.rattled_rocksalt, cases.slab) for s in stretched(make(), 5)]
    whole = Structures.concatenate(parts)
    labels = {"formation_energy": torch.full((10,), -1.5, dtype=torch.float64)}
    return write_store(folder, [replace(whole, labels=labels)], Card(name="crystals", licence="MIT"))


@pytest.fixture
def both(tmp_path):
    stores = [molecules(tmp_path / "m"), crystals(tmp_path / "c")]
    return [embed(encoder(), s, tmp_path / f"e{i}") for i, s in enumerate(stores)], stores


def test_map_of_two_datasets(both, tmp_path):
    told: list[str] = []
    path = make_map(*both, tmp_path / "maps" / "map.html", title="Both", report=told.append)
    assert path.is_file()
    text = path.read_text()
    assert "<title>Both</title>" in text
    for part in ("UMAP", "PCA 1", "trustworthiness", "m0", "molecules", "crystals", "Nobody (2024)", "CC0"):
        assert part in text or part in _texts(text), part
    assert "18" in told[0] or "28 structures, 12 features" in told[0]
    assert any(line.startswith("PCA: trustworthiness 0.") for line in told)
    files = path.with_name("map-files")
    assert {p.name for p in files.iterdir()} == {"coordinates.arrow", "pca.npz", "umap.npz", "about.json"}
    table = pa.ipc.open_file(files / "coordinates.arrow").read_all()
    assert table.column_names == ["id", "dataset", "row", "pca_1", "pca_2", "umap_1", "umap_2"]
    assert table.num_rows == 28
    assert table["dataset"].to_pylist() == ["molecules"] * 18 + ["crystals"] * 10
    about = json.loads((files / "about.json").read_text())
    assert about["quality"]["PCA"]["n"] == 28
    assert about["embeddings"][0]["origin"]["dataset"] == "molecules"
    for name in ("pca", "umap"):
        placed = load_projection(files / f"{name}.npz").transform(both[0][1].features)
        kept = np.column_stack([table[f"{name}_{i}"].to_numpy()[18:] for i in (1, 2)])
        np.testing.assert_allclose(placed, kept, atol=1e-3)


def _texts(page: str) -> str:
    """Packed texts of a page."""
    import base64
    import gzip
    import re

    found = re.findall(r'data-dtype="\w+">([A-Za-z0-9+/=]+)</script>', page)
    return " ".join(gzip.decompress(base64.b64decode(f)).decode("utf-8", "replace") for f in found)


def test_columns(both):
    embeddings, stores = both
    columns = columns_of(embeddings, stores)
    expected = {"gap", "energy", "energy per atom", "|dipole|", "formation_energy"}
    assert set(columns) == expected | {"atoms", "elements", "periodicity", "volume per atom"}
    assert columns["gap"].unit == "eV"
    assert np.isnan(columns["gap"].values[18:]).all()
    np.testing.assert_allclose(columns["energy per atom"].values[:18], -10)
    np.testing.assert_allclose(columns["|dipole|"].values[:18], 3**0.5)
    assert columns["atoms"].values[[0, 6, 18, 23]].tolist() == [9, 3, 8, 4]
    assert columns["elements"].values[[0, 6, 12, 18, 23]].tolist() == [3, 2, 5, 2, 3]
    assert columns["periodicity"].values[[0, 18, 23]].tolist() == ["molecule", "crystal", "slab"]
    volume = columns["volume per atom"]
    assert np.isfinite(volume.values).tolist() == [False] * 18 + [True] * 5 + [False] * 5
    assert volume.values[18] == pytest.approx(float(stores[1][0].volume) / 8)


def test_turned_structures_make_the_same_map(both, tmp_path):
    Q = -random_rotation(1, generator=torch.Generator().manual_seed(3))[0]
    turned = molecules(tmp_path / "turned", Q)
    there = embed(encoder(), turned, tmp_path / "there")
    places = []
    for e, s, name in ((both[0][0], both[1][0], "here"), (there, turned, "turned")):
        make_map([e], [s], tmp_path / f"{name}.html", projections=["pca"])
        table = pa.ipc.open_file(tmp_path / f"{name}-files" / "coordinates.arrow").read_all()
        places.append(np.column_stack([table["pca_1"].to_numpy(), table["pca_2"].to_numpy()]))
    np.testing.assert_allclose(places[1], places[0], atol=1e-4)
    assert np.ptp(places[0]) > 1


def test_what_does_not_belong_together_is_refused(both, tmp_path):
    embeddings, stores = both
    with pytest.raises(ValueError, match="was not computed from crystals"):
        make_map(embeddings, stores[::-1], tmp_path / "map.html")
    other = embed(encoder(), stores[1], tmp_path / "sum", pooling="sum")
    with pytest.raises(ValueError, match=r"different pooling make no common map: .* has mean, .* has sum"):
        make_map([embeddings[0], other], stores, tmp_path / "map.html")
    with pytest.raises(ValueError, match="each embedding with its dataset; given 2 and 1"):
        make_map(embeddings, stores[:1], tmp_path / "map.html")
    assert not (tmp_path / "map.html").exists()


def test_one_name_twice_is_numbered(both):
    _, (a, b) = both
    assert dataset_names([a, b, a]) == ["molecules (1)", "crystals", "molecules (2)"]
