"""What a pickle says about objects, kept without making them, and turned into numbers when it has ended."""

from __future__ import annotations

from math import prod
from typing import Any, NoReturn, cast

import numpy as np
import torch

FOREIGN = frozenset(
    (
        *("ase", "datetime", "decimal", "dgl", "emmet", "enum", "fairchem", "fractions", "matsciml", "monty"),
        *("ocpmodels", "pathlib", "pymatgen", "torch_geometric", "uuid"),
    )
)
"""Libraries whose objects are kept as ``Foreign`` boxes."""

TORCH_DTYPES = {
    name: getattr(torch, name)
    for name in (
        *("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool"),
    )
}
STORAGES = {
    "HalfStorage": "float16", "BFloat16Storage": "bfloat16", "FloatStorage": "float32",
    "DoubleStorage": "float64", "ByteStorage": "uint8", "CharStorage": "int8", "ShortStorage": "int16",
    "IntStorage": "int32", "LongStorage": "int64", "BoolStorage": "bool",
}  # fmt: skip
"""Names of torch's types of storages, and of what they hold."""

LARGEST_VIEW = 2**24
"""Values that a tensor may have beyond those stored, by repeating them."""


class UnsafePickle(ValueError):
    """A pickle that asks for more than numbers and boxes, or that is broken."""


def refuse(what: str) -> NoReturn:
    """End the reading of a pickle that does what no honest one does."""
    raise UnsafePickle(f"the pickle is refused: {what}")


class Foreign:
    """An object of a class that is not made: its arguments, its state, the members added to it.

    ``kind`` is the class's full name. The box does nothing.
    """

    kind = ""
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    state: Any
    items: list[Any]
    entries: dict[Any, Any]

    def __new__(cls, *args: object, **keywords: object) -> Foreign:
        """Keep the arguments."""
        made = object.__new__(cls)
        made.__dict__.update(args=args, keywords=keywords, state=None, items=[], entries={})
        return made

    def __setstate__(self, state: object) -> None:
        """Keep the state."""
        self.__dict__["state"] = state

    def __setitem__(self, key: object, value: object) -> None:
        """Keep an entry, as of a dictionary."""
        self.__dict__["entries"][key] = value

    def append(self, value: object) -> None:
        """Keep a member, as of a list."""
        self.__dict__["items"].append(value)

    def extend(self, values: list[object]) -> None:
        """Keep members, as of a list."""
        self.__dict__["items"].extend(values)

    def add(self, value: object) -> None:
        """Keep a member, as of a set."""
        self.__dict__["items"].append(value)

    @property
    def attributes(self) -> dict[str, Any]:
        """What the state and the entries name by text, whichever way they were given."""
        state = self.__dict__["state"]
        parts = [*(state if isinstance(state, tuple) else (state,)), self.__dict__["entries"]]
        return {k: v for p in parts if isinstance(p, dict) for k, v in p.items() if isinstance(k, str)}

    def __repr__(self) -> str:
        """Name of the class that it stands for."""
        return f"Foreign({self.kind})"


class DtypeBox:
    """numpy's dtype: a name, then a state with the order of bytes."""

    def __init__(self, name: Any, *_: object):
        self.name, self.order = str(name), "="

    def __setstate__(self, state: Any) -> None:
        """Order of bytes; fields are refused."""
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            refuse(f"an array of type {self.name!r} with {state[1:5]}")
        self.order = state[1]

    def made(self) -> np.dtype:
        """The dtype, of numbers or text."""
        if self.name.lstrip("<>=|")[:1] not in tuple("biufcSU?") or not self.name.isascii():
            refuse(f"an array of type {self.name!r}")
        found = np.dtype(self.name)
        return found if self.order == "|" else found.newbyteorder(cast(Any, self.order))


class ArrayBox:
    """numpy's array, or number (where the shape is None)."""

    def __init__(self, *state: Any):
        self.state = state

    def __setstate__(self, state: Any) -> None:
        """Version, shape, type, order, content."""
        self.state = tuple(state)

    def made(self, seen: dict) -> Any:
        """The array, its own copy of the bytes; members of arrays of objects are made too."""
        if len(self.state) != 5:
            refuse("an array without content")
        _, shape, dtype, fortran, content = self.state
        order = "F" if fortran else "C"
        if isinstance(content, list):
            array = np.empty(len(content), dtype=object)
            for k, member in enumerate(content):
                array[k] = finished(member, seen)
        elif isinstance(content, bytes | bytearray) and isinstance(dtype, DtypeBox):
            array = np.frombuffer(bytearray(content), dtype.made())
        else:
            refuse("an array whose content is no bytes")
        if shape is None:
            return array[0].item()
        return array.reshape(tuple(map(int, shape)), order=order)


class StorageBox:
    """Flat values that tensors are views of: their type's name, number and bytes."""

    def __init__(self, dtype: Any, count: Any, content: bytes):
        if dtype not in TORCH_DTYPES or not isinstance(count, int) or count < 0:
            refuse(f"a tensor of {count!r} values of type {dtype!r}")
        self.dtype, self.count, self.content = TORCH_DTYPES[dtype], count, content

    @property
    def itemsize(self) -> int:
        """Bytes of one value."""
        return self.dtype.itemsize

    def made(self) -> torch.Tensor:
        """All values."""
        if len(self.content) < self.count * self.itemsize:
            refuse(f"a tensor is cut off: {len(self.content)} bytes for {self.count} values of {self.dtype}")
        if self.count == 0:
            return torch.zeros(0, dtype=self.dtype)
        return torch.frombuffer(bytearray(self.content), dtype=self.dtype, count=self.count)


class TensorBox:
    """A view of a storage: offset, size, stride."""

    def __init__(self, storage: Any, offset: Any, size: Any, stride: Any):
        if not isinstance(storage, StorageBox):
            refuse("a tensor without storage")
        self.storage, self.offset = storage, int(offset)
        self.size, self.stride = tuple(map(int, size)), tuple(map(int, stride))

    def __setstate__(self, state: object) -> None:
        """Tensors have no state."""
        refuse("it gives a tensor a state")

    def made(self) -> torch.Tensor:
        """The tensor, a copy of its values."""
        values, size, stride = self.storage.made(), self.size, self.stride
        if len(size) != len(stride) or min((*size, *stride, self.offset)) < 0:
            refuse(f"a tensor of size {size}, stride {stride}, offset {self.offset}")
        last = self.offset + sum((s - 1) * t for s, t in zip(size, stride, strict=True))
        if prod(size) and (last >= len(values) or prod(size) > max(len(values), LARGEST_VIEW)):
            refuse(f"a tensor of size {size} reaches beyond its {len(values)} values")
        return torch.as_strided(values, size, stride, self.offset).clone()


def finished(value: Any, seen: dict[int, tuple[Any, Any]] | None = None) -> Any:
    """The value with numbers, arrays and tensors in the place of their boxes; containers stay themselves.

    Raises
    ------
    UnsafePickle
        A box cannot be made, or boxes are nested too deeply.
    """
    seen = {} if seen is None else seen
    if id(value) in seen:
        return seen[id(value)][1]
    try:
        made = _made(value, seen)
    except UnsafePickle:
        raise
    except Exception as error:  # shapes that do not fit, containers without end
        raise UnsafePickle(f"the pickle cannot be read ({type(error).__name__}: {error})") from error
    seen[id(value)] = (value, made)
    return made


def _made(value: Any, seen: dict) -> Any:
    if isinstance(value, ArrayBox):
        return value.made(seen)
    if isinstance(value, TensorBox | StorageBox):
        return value.made()
    if isinstance(value, DtypeBox):
        return str(value.made())
    if isinstance(value, tuple):
        return tuple(finished(v, seen) for v in value)
    if isinstance(value, list | dict | Foreign):
        seen[id(value)] = (value, value)
    if isinstance(value, list):
        value[:] = [finished(v, seen) for v in value]
    elif isinstance(value, dict):
        value.update({k: finished(v, seen) for k, v in value.items()})
    elif isinstance(value, Foreign):
        value.__dict__.update({k: finished(v, seen) for k, v in value.__dict__.items()})
    return value
