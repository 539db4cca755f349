"""``atomscape represent``: a fixed representation of every structure of a dataset, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.settings import Set

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from rich.table import Table

    from atomscape.atoms.representation import Representation
    from atomscape.data.store import Store

CHUNK = 256
"""Structures that are represented at a time, to bound memory."""


def represent(
    name: Annotated[str, typer.Argument(help="A representation, or `list` for all of them.")],
    data: Annotated[
        str | None, typer.Argument(help="A named dataset, a file, a folder, a store.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A file NAME.npz or NAME.parquet.")] = None,
    set_: Set = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many structures, at random.")] = None,
    seed: Annotated[int, typer.Option(help="Of the random choice.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Represent structures without learning: composition, SOAP, fingerprints, SMILES, images and others.

    The file has one row of features (float32) or one text per structure, and the structures' ids.
    """
    from atomscape.cli.output import console

    screen = console()
    if name == "list":
        screen.print(catalogue())
        return
    if data is None or out is None:
        raise ValueError(f"atomscape represent {name} needs data, and --out FILE.npz or FILE.parquet")
    if out.suffix not in WRITE:
        raise ValueError(f"{out}: a representation is written as {' or '.join(WRITE)}")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; --overwrite replaces it")
    from atomscape.cli.embed import chosen
    from atomscape.data.load import load

    representation, store = built(name, set_ or []), load(data)
    rows = chosen(data, limit, seed)
    partial = out.with_name(out.name + ".partial")
    try:
        n, width = WRITE[out.suffix](partial, _in_chunks(representation, store, rows))
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    what = f"{width:,} features each" if width else "one text each"
    screen.print(f"{out}: {n:,} structures, {what}, {out.stat().st_size:,} bytes")


def built(name: str, settings: list[str]) -> Representation:
    """A representation with settings given as ``key=value``.

    Raises
    ------
    LookupError
        There is no such representation.
    ValueError
        There is no such setting, or it may not have that value.
    """
    from atomscape.cli.settings import configured
    from atomscape.find import find

    module = find("representations", name)
    return module.build(configured(module, name, settings))


def catalogue() -> Table:
    """Every representation: what it applies to, sees and ignores, and its settings."""
    from atomscape.atoms.representation import INVARIANCES
    from atomscape.cli.output import table
    from atomscape.cli.settings import in_words
    from atomscape.find import available, find

    made = table("name", "of", "sees", "changes under", "settings")
    for name in available("representations"):
        config = find("representations", name).Config()
        claims = built(name, []).claims
        shown = [i for i in INVARIANCES if i not in claims.invariances]
        lattice = ("lattice translation", "unimodular cell", "supercell")
        shown = [i for i in shown if "crystals" in claims.applies or i not in lattice]
        made.add_row(
            name,
            ", ".join(sorted(claims.applies)),
            ", ".join(sorted(claims.sees)),
            ", ".join(shown),
            in_words(config),
        )
    return made


def _in_chunks(
    representation: Representation, store: Store, rows: np.ndarray | None
) -> Iterator[tuple[np.ndarray, list[str]]]:
    import numpy as np

    n = len(store) if rows is None else len(rows)
    for a in range(0, max(n, 1), CHUNK):
        chosen = np.arange(a, min(a + CHUNK, n)) if rows is None else rows[a : a + CHUNK]
        structures = store[chosen]
        out = representation(structures)
        values = out if isinstance(out, np.ndarray) else out.detach().float().numpy()
        yield values, list(structures.ids) or [str(i) for i in chosen.tolist()]


def _npz(path: Path, chunks: Iterator[tuple[np.ndarray, list[str]]]) -> tuple[int, int]:
    """Everything at once; returns the number of structures and of features, 0 for texts."""
    import numpy as np

    parts, ids = zip(*chunks, strict=True)
    values = np.concatenate(parts)
    name = "text" if values.ndim == 1 else "features"
    names = np.array([i for some in ids for i in some], dtype=str)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, ids=names, **{name: values})
    return len(values), 0 if values.ndim == 1 else values.shape[1]


def _parquet(path: Path, chunks: Iterator[tuple[np.ndarray, list[str]]]) -> tuple[int, int]:
    """Chunk by chunk, so that memory does not grow; returns as ``_npz``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer, n, width = None, 0, 0
    try:
        for values, ids in chunks:
            if values.ndim == 1:
                column = {"text": pa.array(values.tolist(), pa.string())}
            else:
                width = values.shape[1]
                flat = pa.array(values.reshape(-1), pa.float32())
                column = {"features": pa.FixedSizeListArray.from_arrays(flat, width)}
            table = pa.table({"id": pa.array(ids, pa.string()), **column})
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
            n += len(values)
    finally:
        if writer is not None:
            writer.close()
    return n, width


WRITE = {".npz": _npz, ".parquet": _parquet}
"""Ending of a file → how it is written."""
