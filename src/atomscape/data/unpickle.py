"""Read pickles without running them: plain values, arrays and tensors are built, foreign classes are not.

A pickle is a program: to load one is to call whatever it names. Datasets of the field are kept in pickles
all the same (rows of LMDB files, lists of PyTorch Geometric's ``Data``), so they are read here by a machine
that knows a short list of names. For each it has a function of its own that keeps what the pickle says; what
is kept becomes numbers, arrays and tensors when the pickle is done. An object of a library in ``FOREIGN``
becomes a ``Foreign``, a box that does nothing; any other name is refused. Nothing that a pickle names is
ever imported or called.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from atomscape.data.boxes import (
    FOREIGN,
    STORAGES,
    TORCH_DTYPES,
    ArrayBox,
    DtypeBox,
    Foreign,
    StorageBox,
    TensorBox,
    UnsafePickle,
    finished,
    refuse,
)
from atomscape.data.pickle_limits import refuse_far_places, refuse_unfolding

_Bytes = io.BytesIO | io.BufferedReader
_Storages = Callable[[Any, str, Any], StorageBox]

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""First pickle of a file that torch saved before it used zip archives."""


def unpickled(data: bytes) -> Any:
    """Value of a pickle: numbers, text, containers, arrays, tensors, ``Foreign``.

    Raises
    ------
    UnsafePickle
        The pickle names something that is not built here, or is broken.
    """
    return _finished(_load(io.BytesIO(data)))


def untorched(path: Path) -> Any:
    """Value of a file that ``torch.save`` wrote, read in the same way; tensors are on the CPU.

    Raises
    ------
    UnsafePickle
        As for ``unpickled``.
    """
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return _finished(_legacy(file))
    with zipfile.ZipFile(path) as archive:
        name = next((n for n in archive.namelist() if n.endswith("data.pkl")), None)
        if name is None:
            raise UnsafePickle(f"{path} has no data.pkl in it; torch.save did not write it")
        folder, known = name.removesuffix("data.pkl"), {}

        def storage(dtype: Any, key: str, count: Any) -> StorageBox:
            if key not in known:
                known[key] = StorageBox(dtype, count, archive.read(f"{folder}data/{key}"))
            return known[key]

        return _finished(_load(io.BytesIO(archive.read(name)), storage))


class _Machine(pickle.Unpickler):
    """The pickle machine with a closed list of names; every call it makes is to something of ours."""

    def __init__(self, file: _Bytes, storage: _Storages | None = None):
        super().__init__(file)
        self.storage = storage

    def find_class(self, module: str, name: str) -> Any:
        """Our function of that name, or a box."""
        module = _OLD.get(module, module).replace("numpy._core", "numpy.core")
        known = _KNOWN.get((module, name))
        if known is not None:
            return known
        if module == "torch" and (dtype := STORAGES.get(name, name)) in TORCH_DTYPES:
            return dtype
        if module.partition(".")[0] in FOREIGN:
            return type("Box", (Foreign,), {"kind": f"{module}.{name}"})
        raise UnsafePickle(
            f"the pickle names {module}.{name}, which is no number, array, tensor or object of a known "
            "library: refused, as it might run. If you trust it, convert it where it was made"
        )

    def persistent_load(self, pid: Any) -> StorageBox:
        """Storage of a tensor, kept beside the pickle."""
        if self.storage is None or not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage"):
            raise UnsafePickle("the pickle refers to something outside of itself: refused")
        return self.storage(pid[1], str(pid[2]), pid[4])


def _load(file: _Bytes, storage: _Storages | None = None) -> Any:
    try:
        refuse_far_places(file)
        return _Machine(file, storage).load()
    except UnsafePickle:
        raise
    except Exception as error:  # broken pickles raise anything
        raise UnsafePickle(f"the pickle cannot be read ({type(error).__name__}: {error})") from error


def _finished(value: Any) -> Any:
    made = finished(value)
    try:
        refuse_unfolding(made)
    except RecursionError as error:
        raise UnsafePickle("the pickle cannot be read (its lists are nested too deeply)") from error
    return made


def _legacy(file: _Bytes) -> Any:
    """What torch saved before zip archives: four pickles, the keys of the storages, then their bytes."""
    found: dict[str, StorageBox] = {}

    def storage(dtype: Any, key: str, count: Any) -> StorageBox:
        return found.setdefault(key, StorageBox(dtype, count, b""))

    if _load(file) != LEGACY_MAGIC:
        raise UnsafePickle("torch.save did not write this")
    for _ in ("version of the protocol", "system"):
        _load(file)
    value = _load(file, storage)
    for key in cast(list, _load(file)):
        box, head = found.get(str(key)), file.read(8)
        if box is None or len(head) < 8:
            raise UnsafePickle("a file of torch is cut off, or names a storage that it does not use")
        box.content = file.read(max(0, struct.unpack("<q", head)[0]) * box.itemsize)
    return value


class _Call:
    """A function that a pickle may call and cannot change; pickles do set attributes of what they hold."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable):
        object.__setattr__(self, "_function", function)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setattr__(self, name: str, value: object) -> None:
        refuse(f"it sets {name!r} of a function")

    def __setstate__(self, state: object) -> None:
        refuse("it gives a function a state")


def _container(kind: type, allowed: tuple[type, ...]) -> _Call:
    """A builtin container of nothing, or of the members of another container or of bytes."""

    def made(members: Any = ()) -> Any:
        return (
            kind(members) if isinstance(members, allowed) else refuse(f"{kind.__name__} of {type(members)}")
        )

    return _Call(made)


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any = "C") -> ArrayBox:
    return ArrayBox(None, shape, dtype, order == "F", content)


def _reconstructor(kind: Any, base: object, state: object) -> Foreign:
    return kind() if isinstance(kind, type) and issubclass(kind, Foreign) else refuse(f"it makes {kind!r}")


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "ascii", "utf-8"):
        refuse(f"it encodes text as {encoding!r}")
    return text.encode(encoding)


def _bytearray(content: Any = b"", encoding: Any = "latin1") -> bytearray:
    if isinstance(content, str):
        return bytearray(_encode(content, encoding))
    return bytearray(content) if isinstance(content, bytes | bytearray) else refuse("bytes of something else")


def _defaultdict(factory: object = None, members: Any = ()) -> dict:
    return dict(members) if isinstance(members, dict | list | tuple) else refuse("a dictionary of nothing")


_OLD = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Names of modules in pickles of Python 2, and of protocols that it reads."""

_SEQUENCES = (list, tuple, set, frozenset, dict)
_KNOWN: dict[tuple[str, str], Any] = {
    **{("builtins", k.__name__): _container(k, _SEQUENCES) for k in (list, tuple, set, frozenset, dict)},
    ("builtins", "complex"): _Call(lambda real, imag=0.0: complex(float(real), float(imag))),
    ("builtins", "bytearray"): _Call(_bytearray),
    ("builtins", "bytes"): _Call(lambda *content: bytes(_bytearray(*content))),
    ("builtins", "object"): Foreign,
    ("collections", "OrderedDict"): _container(dict, (list, tuple, dict)),
    ("collections", "defaultdict"): _Call(_defaultdict),
    ("copyreg", "_reconstructor"): _Call(_reconstructor),
    ("_codecs", "encode"): _Call(_encode),
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _Call(DtypeBox),
    ("numpy.core.multiarray", "_reconstruct"): _Call(lambda *beginning: ArrayBox()),
    ("numpy.core.multiarray", "scalar"): _Call(
        lambda dtype, content: ArrayBox(None, None, dtype, 0, content)
    ),
    ("numpy.core.numeric", "_frombuffer"): _Call(_frombuffer),
    ("torch._utils", "_rebuild_tensor"): _Call(TensorBox),
    ("torch._utils", "_rebuild_tensor_v2"): _Call(lambda *a: TensorBox(*a[:4])),
    ("torch._utils", "_rebuild_parameter"): _Call(lambda data, *rest: data),
    ("torch.storage", "_load_from_bytes"): _Call(lambda content: _legacy(io.BytesIO(bytes(content)))),
    ("torch", "Size"): _container(tuple, (list, tuple)),
}
"""What pickles may call, by module and name, and what is called instead."""
