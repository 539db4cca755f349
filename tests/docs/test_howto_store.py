"""The page "Keep data in a store" does what it says."""

from __future__ import annotations

import numpy as np
import pytest

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.store import Store, write_store


def water(n: int, first: int = 0) -> Structures:
    """So many molecules of water, stretched more and more."""
    shape = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    return Structures.concatenate(
        Structures.of((1 + 0.01 * k) * shape, [8, 1, 1], labels={"energy": -14.2 + 0.1 * k}, id=f"water/{k}")
        for k in range(first, first + n)
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A store called ``water`` in the folder where we are."""
    monkeypatch.chdir(tmp_path)
    write_store("water", [water(5)], Card(name="water"))
    return tmp_path


def test_any_arrow_tool(folder):
    """Columns, rows and values without atomscape."""
    # --8<-- arrow
    import json
    from pathlib import Path

    import pyarrow as pa

    table = pa.ipc.open_file(pa.memory_map("water/shard-00000.arrow")).read_all()
    print(table.schema.names)  # ['id', 'numbers', 'positions', 'cell', 'pbc', 'label:energy']
    print(table["numbers"][0].as_py())  # [8, 1, 1]
    card = json.loads(Path("water/card.json").read_text())["card"]
    units = {p["name"]: p["unit"] for p in card["properties"]}
    energies = table["label:energy"].to_numpy()  # eV, as units["energy"] says
    # --8<-- end
    assert table.schema.names == ["id", "numbers", "positions", "cell", "pbc", "label:energy"]
    assert table["numbers"][0].as_py() == [8, 1, 1]
    assert units == {"energy": "eV"}
    np.testing.assert_allclose(energies, -14.2 + 0.1 * np.arange(5))


def test_from_python(folder):
    """Batches, columns, splits, growth."""
    more = [water(3, first=5)]
    # --8<-- python
    from atomscape.data.append import append_store
    from atomscape.data.merge import merge_stores
    from atomscape.data.store import Store

    store = Store.open("water")
    batch = store[[4, 0, 4]]  # structures in any order, as tensors
    energies = store.values("energy")  # a whole column, in place where there is one shard
    grown = append_store("water", more)  # `more` gives structures in batches
    both = merge_stores("both", [store, grown], names=["before", "after"])
    # --8<-- end
    assert batch.ids == ("water/4", "water/0", "water/4")
    assert len(energies) == 5
    assert (len(store), len(grown), len(both)) == (5, 8, 13)
    assert both.ids[4:6] == ["before:water/4", "after:water/0"]
    both.verify()


def read(first: int):
    """One piece: ten molecules."""
    yield water(10, first)


def test_from_many_processes(folder):
    """One worker here: starting processes is tested elsewhere."""
    workers = 1
    # --8<-- parallel
    from atomscape.data.parallel import write_store_parallel

    # read(piece) gives the structures of one piece in batches; it stands at the top level of a module
    pieces = [0, 10, 20]  # paths, ranges of rows, anything that can be pickled
    store = write_store_parallel("many", pieces, read, Card(name="many"), workers=workers)
    # --8<-- end
    assert len(store) == 30
    assert store.ids == Store.open("many").ids == [f"water/{k}" for k in range(30)]
