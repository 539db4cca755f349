"""LMDB files that are cut off or damaged are refused before they are mapped: reading them would kill us."""

from __future__ import annotations

import pytest

from atomscape.data.lmdb_files import numbered_keys, opened, written

pytest.importorskip("lmdb")


@pytest.fixture
def file(tmp_path):
    with written(tmp_path / "x.lmdb") as put:
        for k in range(300):
            put(str(k).encode(), bytes(500))
    return tmp_path / "x.lmdb"


def test_whole(file) -> None:
    with opened(file) as transaction:
        assert numbered_keys(transaction) == list(range(300))


@pytest.mark.parametrize("kept", [0, 30, 4096, 8192, 0.5, -1])
def test_cut_off(file, kept) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept) if 0 < kept < 1 else kept])
    with pytest.raises(ValueError, match="is cut off"), opened(file):
        pass


def test_damaged_beginning(file) -> None:
    content = bytearray(file.read_bytes())
    content[20:24] = b"\xff" * 4
    file.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be opened as an LMDB"), opened(file):
        pass
