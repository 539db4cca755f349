"""``load(what)``: any dataset as a store. A store, a named source, a file that ASE reads, a folder of CIFs.

What is not a store yet is converted once and kept in the cache folder under a key made of everything that the
result depends on: the files' names and content, the reader's own code and the labels asked for.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from atomscape import __version__, units
from atomscape.atoms import ase, columns, labels, stresses
from atomscape.atoms.labels import LabelMap
from atomscape.data.card import Card, records
from atomscape.data.files import Frames, inputs_of, labels_of, pieces_of, read_files
from atomscape.data.format import read_by
from atomscape.data.named import find_source, is_source_name, source_names
from atomscape.data.reading import Reading
from atomscape.data.shards import sha256
from atomscape.data.source import Source, downloader, what_is_left_out
from atomscape.data.store import Store, is_store, write_store
from atomscape.find import suggest

BESIDE = (Path(units.__file__), *sorted(Path(__file__).parent.glob("*.py")))
READERS = tuple(Path(str(module.__file__)) for module in (ase, columns, labels, stresses))
"""Code that decides what is read: a store is converted anew when it changes."""

WHOLE = 64 * 2**20
"""Files up to this many bytes enter the key of a conversion with their whole content."""

NAMED = 12
"""Files that a store's provenance names one by one."""


def cache_folder() -> Path:
    """``$ATOMSCAPE_CACHE``, else ``$XDG_CACHE_HOME/atomscape``, else ``~/.cache/atomscape``."""
    if given := os.environ.get("ATOMSCAPE_CACHE"):
        return Path(given).expanduser()
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given).expanduser() / "atomscape"
    return Path.home() / ".cache" / "atomscape"


def download_folder(name: str) -> Path:
    """Where the files of a named source are downloaded to."""
    return cache_folder() / "downloads" / name


def load(what: str | Path, reading: Reading | None = None) -> Store:
    """Open a dataset, converting it first where needed.

    Parameters
    ----------
    what
        A folder with a store; the name of a source; a file that ASE reads; a folder of such files.
    reading
        For files: which columns are which labels, their units, the sign of the stress.

    Raises
    ------
    LookupError
        Nothing of that name exists: no file, no folder, no source. Or a column asked for is not there.
    FileNotFoundError
        A named source has no files on this machine.
    ValueError
        A file cannot be read, holds ill-formed structures, or labels that can be understood in two ways.
    """
    path = Path(what).expanduser()
    if is_store(path):
        return Store.open(path)
    if is_source_name(str(what)):
        return load_source(str(what))
    if path.exists():
        return load_files(path, reading or Reading())
    raise LookupError(
        f"{str(what)!r} is no file, no folder and no named dataset{suggest(str(what), source_names())} "
        "Named datasets are listed by: atomscape data list"
    )


def load_source(name: str) -> Store:
    """Store of a named source, from its embedded folder, ``$ATOMSCAPE_DATA`` or the download folder."""
    source = find_source(name)
    folder = source_folder(source)
    inputs = source.inputs(folder)
    code = _text(*BESIDE, *READERS, Path(str(source.__file__)))
    target = _converted(source.card.name.replace(":", "-"), inputs, code)

    def write() -> Store:
        provenance = f"read from {_read_from(inputs)} by atomscape {__version__}"
        left_out = [f"left out: {who}: {why}" for who, why in what_is_left_out(source, folder).items()]
        card = source.card.with_counts(provenance=provenance, columns=(*source.card.columns, *left_out))
        return write_store(target, source.read(folder), card, source.splits(folder))

    return once(target, write)


def folders_of(source: Source) -> tuple[str, ...]:
    """Names of the folders in which the files of a source may lie, the best first; that is for downloads."""
    return source.card.folders or (source.card.name.partition(":")[0],)


def source_folder(source: Source) -> Path:
    """Folder that holds the files of a source.

    Raises
    ------
    FileNotFoundError
        None does; the message says where they were looked for.
    """
    folder, name = find_folder(source), source.card.name
    if folder is None:
        looked = ", ".join(map(str, _places(source)))
        has_address = source.card.files or downloader(source)
        how = f"download it with: atomscape data get {name}" if has_address else "put its file there"
        raise FileNotFoundError(f"{name} is not on this machine (looked in {looked}); {how}")
    return folder


def load_files(path: Path, reading: Reading) -> Store:
    """Store of a file, or of all files of structures in a folder; the card says which columns were used."""
    pieces = pieces_of(path)
    code = {str(read_by(name).__file__) for name in {piece.format for piece in pieces}}
    target = _converted(
        file_name(path), inputs_of(path), f"{reading}{_text(*BESIDE, *READERS, *map(Path, sorted(code)))}"
    )

    def write() -> Store:
        frames = Frames(pieces, reading)
        labels = labels_of(frames)
        return write_store(target, read_files(frames, labels), card_of_files(path, frames, labels))

    return once(target, write)


def card_of_files(path: Path, frames: Frames, labels: LabelMap) -> Card:
    """What is known about a user's files: their labels, and which columns these come from."""
    left_out = [f"left out: {why}" for why in frames.losses]
    return Card(
        name=file_name(path),
        title=path.name,
        properties=records(*labels.properties.values()),
        provenance=f"read from {path.name} by atomscape {__version__}",
        columns=(*str(labels).splitlines(), *left_out),
    )


def file_name(path: Path) -> str:
    """Name of a dataset that was called so as a file: ``my data.extxyz.gz`` → ``my_data``."""
    return re.sub(r"[^\w.-]", "_", path.resolve().name.split(".")[0]) or "data"


def find_folder(source: Source) -> Path | None:
    """First folder that holds the files of a source; None where none does."""
    return next((folder for folder in _places(source) if source.inputs(folder)), None)


def once(target: Path, write: Callable[[], Store]) -> Store:
    """Open the store at ``target``, writing it first if need be; another process may finish it meanwhile."""
    if not is_store(target):
        try:
            return write()
        except FileExistsError:
            pass
    return Store.open(target)


def key_of(paths: list[Path], options: str = "") -> str:
    """Key of a conversion: names, content and options; of files above 64 MiB the ends, size and time."""
    digest = hashlib.sha256(f"{__version__}\n{options}".encode())
    for path in sorted(paths):
        digest.update(f"\n{path.name}\n".encode())
        stat = path.stat()
        with path.open("rb") as file:
            if stat.st_size <= WHOLE:
                digest.update(hashlib.file_digest(file, "sha256").digest())
            else:
                digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
                digest.update(file.read(WHOLE // 2))
                file.seek(-WHOLE // 2, os.SEEK_END)
                digest.update(file.read())
    return digest.hexdigest()[:16]


def _places(source: Source) -> list[Path]:
    if source.card.embedded:
        return [Path(str(resources.files("atomscape.data").joinpath(source.card.embedded)))]
    root = os.environ.get("ATOMSCAPE_DATA")
    roots = [*([Path(root)] if root else []), download_folder("")]
    return [place / folder for folder in folders_of(source) for place in roots]


def _read_from(inputs: list[Path]) -> str:
    """Names and checksums of files; of many (pages of a service) the number and one checksum of all."""
    sums = [sha256(path) for path in inputs]
    if len(inputs) <= NAMED:
        return ", ".join(f"{p.name} (sha256 {s})" for p, s in zip(inputs, sums, strict=True))
    of_all = hashlib.sha256("\n".join(sums).encode()).hexdigest()
    return f"{len(inputs)} files, {inputs[0].name} … {inputs[-1].name} (sha256 of their checksums {of_all})"


def _converted(name: str, inputs: list[Path], code: str) -> Path:
    return cache_folder() / "stores" / f"{name}-{key_of(inputs, code)}"


def _text(*files: Path) -> str:
    return "\n".join(file.read_text() for file in files)
