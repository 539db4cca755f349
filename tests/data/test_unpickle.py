"""Pickles are searched for numbers; nothing that they name is called, whatever way they ask for it."""

from __future__ import annotations

import collections
import copyreg
import io
import os
import pickle
import zlib
from datetime import datetime
from enum import Enum

import ase.build
import numpy as np
import pytest
import torch

from atomscape.data.boxes import Foreign, UnsafePickle
from atomscape.data.pickle_limits import inflated
from atomscape.data.unpickle import unpickled, untorched

VALUES = {
    "plain": {"a": [1, 2.5, None, True], "b": ("text", b"bytes"), "c": {1, 2}, "d": frozenset((3,)), "e": 1j},
    "ordered": collections.OrderedDict([("x", 1), ("y", [2])]),
    "default": collections.defaultdict(list, {"x": [1]}),
    "bytes": bytearray(b"abc"),
}
ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
    np.arange(3, dtype=">f4"),
    np.array([True, False]),
    np.array(["H", "He"]),
    np.zeros((0, 3)),
    np.array(5.0),
]
TENSORS = [
    torch.arange(6.0).reshape(2, 3),
    torch.arange(12, dtype=torch.float64).reshape(3, 4).T[1:],
    torch.tensor([1, 2, 3]),
    torch.tensor([True, False]),
    torch.zeros(0, 3),
    torch.tensor(2.5, dtype=torch.float16),
    torch.zeros(1, 3).expand(4, 3),
    torch.nn.Parameter(torch.ones(2)),
]


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values(protocol) -> None:
    assert unpickled(pickle.dumps(VALUES, protocol)) == VALUES


@pytest.mark.parametrize("protocol", range(6))
def test_arrays(protocol) -> None:
    found = unpickled(pickle.dumps({"arrays": ARRAYS, "number": np.float32(1.5)}, protocol))
    assert found["number"] == 1.5
    for array, expected in zip(found["arrays"], ARRAYS, strict=True):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


def test_arrays_of_objects() -> None:
    (array,) = unpickled(pickle.dumps([np.array([[1, "x"], [None, np.ones(2)]], dtype=object)]))
    assert array.shape == (2, 2)
    assert array[0].tolist() == [1, "x"]
    np.testing.assert_array_equal(array[1, 1], [1.0, 1.0])


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_tensors(protocol) -> None:
    found = unpickled(pickle.dumps({"tensors": TENSORS}, protocol))["tensors"]
    for tensor, expected in zip(found, TENSORS, strict=True):
        assert (type(tensor), tensor.dtype, tensor.shape) == (torch.Tensor, expected.dtype, expected.shape)
        assert torch.equal(tensor, expected)


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch(tmp_path, zipped) -> None:
    shared = torch.arange(4.0)
    torch.save({"all": shared, "half": shared[2:]}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    found = untorched(tmp_path / "x.pt")
    assert torch.equal(found["all"], shared)
    assert torch.equal(found["half"], shared[2:])


def test_objects_of_libraries_become_boxes() -> None:
    water = ase.build.molecule("H2O")
    box = unpickled(pickle.dumps({"atoms": water, "when": datetime(2020, 1, 1)}))
    assert isinstance(box["atoms"], Foreign)
    assert box["atoms"].kind == "ase.atoms.Atoms"
    np.testing.assert_array_equal(box["atoms"].attributes["arrays"]["positions"], water.positions)
    assert box["when"].kind == "datetime.datetime"


def test_containers_may_hold_themselves() -> None:
    loop: list = [1]
    loop.append(loop)
    found = unpickled(pickle.dumps(loop))
    assert found[1] is found


def test_many_tuples_of_tuples_take_no_time() -> None:
    value: tuple = (0,)
    for _ in range(20):
        value = (value, value)
    found = unpickled(pickle.dumps(value))
    assert found[0] is found[1], "each is made once"
    for _ in range(40):
        value = (value, value)
    with pytest.raises(UnsafePickle, match="would become"):
        unpickled(pickle.dumps(value))


class Calls:
    """An object whose pickle calls a function."""

    def __init__(self, function, *args):
        self.what = (function, args)

    def __reduce__(self):
        return self.what


class Colour(Enum):
    RED = 1


def _global(name: str, module: str = "builtins") -> bytes:
    return f"c{module}\n{name}\n".encode()


def _nested_torch(inside: bytes) -> bytes:
    """A tensor whose storage is a file of torch that holds ``inside``."""
    return pickle.dumps(Calls(torch.storage._load_from_bytes, inside))


REFUSED = {
    "os.system": pickle.dumps(Calls(os.system, "touch it_ran")),
    "eval": pickle.dumps(Calls(eval, "open('it_ran', 'w')")),
    "getattr": _global("getattr") + b".",
    "a chain of getattr": b"c__builtin__\ngetattr\n(cbuiltins\ndict\nS'__class__'\ntR.",
    "a module": b"c__builtin__\n__import__\n(S'os'\ntR.",
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0fcore.os.system\x93.",
    "numpy's loader": _global("load", "numpy") + b".",
    "a class of ours": pickle.dumps(Colour.RED),
    "partial": _global("partial", "functools") + b".",
    "torch.load": _global("load", "torch") + b".",
    "nested": _nested_torch(pickle.dumps(Calls(os.system, "touch it_ran"))),
    "inside of a file of torch": _nested_torch(
        pickle.dumps(0x1950A86A20F9469CFC6C)
        + pickle.dumps(1001)
        + pickle.dumps({})
        + pickle.dumps(Calls(os.system, "touch it_ran"))
    ),
    "state of a function": _global("_rebuild_tensor_v2", "torch._utils") + b"}S'__defaults__'\nNsb.",
    "slots of a function": _global("_rebuild_tensor_v2", "torch._utils") + b"(N}S'_function'\nNstb.",
    "state of a class": _global("object") + b"}S'__call__'\nNsb.",
    "reconstructor": pickle.dumps(Calls(copyreg._reconstructor, dict, dict, {"a": 1}), 2),
    "outside": b"Pname\n.",
    "a call of a number": b"K\x01)R.",
    "a call of a box": _global("object") + b")R)R.",
    "broken": b"\x80\x04\x95",
    "empty": b"",
    "extension": b"\x82\x01.",
    "a buffer": b"\x80\x05\x97.",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path, monkeypatch, name) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafePickle):
        unpickled(REFUSED[name])
    assert not list(tmp_path.iterdir())


def test_the_message_names_what_was_asked() -> None:
    with pytest.raises(UnsafePickle, match=r"posix\.system, which is no number.*refused"):
        unpickled(pickle.dumps(Calls(os.system, "true")))


def test_a_function_is_still_itself_after_an_attack() -> None:
    for name in ("state of a function", "slots of a function", "state of a class"):
        with pytest.raises(UnsafePickle):
            unpickled(REFUSED[name])
    assert torch.equal(unpickled(pickle.dumps(torch.ones(2))), torch.ones(2))
    assert not callable(Foreign())


def test_boxes_are_never_called() -> None:
    """A class of a known library whose pickle calls it with arguments keeps them."""
    box = unpickled(b"cpymatgen.io\nrun\n(S'rm -rf'\ntR.")
    assert (box.kind, box.args) == ("pymatgen.io.run", ("rm -rf",))


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((3,), (1,), 0),
        ((1,), (1,), 2),
        ((2,), (-1,), 1),
        ((2**40,), (0,), 0),
        ((2, 2), (1,), 0),
        ((1,), (1,), -1),
    ],
)
def test_tensors_beyond_their_storage(size, stride, offset) -> None:
    """Views outside of the values, backwards ones and enormous ones are no tensors."""
    file = io.BytesIO()
    typed = torch.storage.TypedStorage(
        wrap_storage=torch.ones(2).untyped_storage(), dtype=torch.float32, _internal=True
    )
    torch.save(typed, file, _use_new_zipfile_serialization=False)
    tensor = Calls(
        torch._utils._rebuild_tensor_v2,
        Calls(torch.storage._load_from_bytes, file.getvalue()),
        offset,
        size,
        stride,
        False,
        {},
    )
    with pytest.raises(UnsafePickle, match="tensor"):
        unpickled(pickle.dumps(tensor))


def test_torn_files_of_torch(tmp_path) -> None:
    torch.save(torch.ones(100), tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    data = (tmp_path / "x.pt").read_bytes()
    for length in (0, 20, len(data) - 500, len(data) - 8):
        (tmp_path / "cut.pt").write_bytes(data[:length])
        with pytest.raises(UnsafePickle):
            untorched(tmp_path / "cut.pt")


def test_no_fields_and_no_objects_from_bytes() -> None:
    with pytest.raises(UnsafePickle):
        unpickled(pickle.dumps(np.zeros(2, dtype=[("a", "f4"), ("b", "i4")])))
    evil = pickle.dumps(np.array([1.0]), 2).replace(b"f8", b"O8")
    with pytest.raises(UnsafePickle):
        unpickled(evil)


def test_random_bytes_never_run() -> None:
    """Flipped bytes of an honest pickle give numbers or a refusal, and nothing else."""
    honest = pickle.dumps({"pos": np.ones((3, 3)), "z": torch.ones(3)})
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        data = bytearray(honest)
        data[rng.integers(len(data))] = rng.integers(256)
        try:
            unpickled(bytes(data))
        except UnsafePickle:
            refused += 1
    assert refused > 50


def _list_of_lists(depth: int) -> list:
    made: list = [0.0] * 10
    for _ in range(depth):
        made = [made] * 10
    return made


def _array_of(member: object) -> np.ndarray:
    made = np.empty(2, dtype=object)
    made[0] = member
    return made


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x80\x02K\x01r" + (2**30).to_bytes(4, "little") + b".", "place 1,073,741,824"),
        (b"K\x01p1073741824\n.", "place 1,073,741,824"),
        (pickle.dumps(_list_of_lists(9)), "would become 10,000,000,000"),
        (pickle.dumps({"x": _array_of(_list_of_lists(9))}), "would become"),
        (b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".", "cannot be read"),
    ],
    ids=["far", "far in text", "lists of lists", "within an array", "deep"],
)
def test_pickles_that_would_fill_the_memory_are_refused(content, why) -> None:
    with pytest.raises(UnsafePickle, match=why):
        unpickled(content)


def test_what_is_shared_and_small_is_read() -> None:
    shared = _list_of_lists(3)
    assert unpickled(pickle.dumps([shared, shared])) == [shared, shared]
    itself: list = [1]
    itself.append(itself)
    assert unpickled(pickle.dumps(itself))[1][0] == 1


def test_rows_that_unpack_to_too_much_are_refused(monkeypatch) -> None:
    packed = zlib.compress(bytes(100_000))
    assert inflated(packed) == bytes(100_000)
    monkeypatch.setattr("atomscape.data.pickle_limits.LARGEST_ROW", 99_999)
    with pytest.raises(ValueError, match="unpacks to more than"):
        inflated(packed)
    with pytest.raises(ValueError, match="damaged"):
        inflated(b"xyz")
