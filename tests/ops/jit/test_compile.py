"""Compiled kernels on disk: found again, told apart, made anew when damaged; no folder is no failure."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from atomscape.ops.jit import compile as module
from atomscape.ops.jit.compile import address_of, kernel_folder

RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("ATOMSCAPE_KERNELS", raising=False)
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path))
    return tmp_path / "kernels"


class Writer:
    """Writes ``number(out)``, which puts a number, and counts how often it had to."""

    def __init__(self, number: int) -> None:
        self.number, self.written = number, 0

    def __call__(self) -> str:
        self.written += 1
        return (
            "define void @number(ptr %arguments, i64 %thread, i64 %threads) nounwind {\n"
            f"  store i64 {self.number}, ptr %arguments\n  ret void\n}}"
        )


def number(writer: Writer, *parameters) -> int:
    """Compile (or find) the kernel, and run it."""
    out = ctypes.c_int64(0)
    RUN(address_of("number", parameters or (writer.number,), writer))(ctypes.addressof(out), 0, 1)
    return out.value


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_written_once_and_found_again(folder):
    writer = Writer(42)
    assert [number(writer), number(writer)] == [42, 42]
    assert writer.written == 1
    assert only(folder).name.startswith("number-")


def test_variants_are_told_apart(folder):
    one, two = Writer(1), Writer(2)
    assert [number(one, "a", 3), number(two, "a", 4), number(one, "a", 3)] == [1, 2, 1]
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("what", ["_code", "_machine"])
def test_another_generator_or_machine_never_meets_an_old_kernel(folder, monkeypatch, what):
    old, new = Writer(1), Writer(2)
    assert number(old, "same") == 1
    monkeypatch.setattr(module, what, lambda: "another")
    assert number(new, "same") == 2


DAMAGE = {
    "empty": lambda kept: b"",
    "truncated": lambda kept: kept[: len(kept) // 2],
    "one byte less": lambda kept: kept[:-1],
    "one bit": lambda kept: kept[:-9] + bytes([kept[-9] ^ 1]) + kept[-8:],
    "checksum": lambda kept: bytes(32) + kept[32:],
    "foreign": lambda kept: b"this is no object code" * 9,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_made_again(folder, damage):
    writer = Writer(5)
    number(writer)
    path = only(folder)
    kept = path.read_bytes()
    path.write_bytes(DAMAGE[damage](kept))
    assert number(writer) == 5
    assert writer.written == 2
    assert path.read_bytes() == kept, "the file is whole again"


def test_a_folder_in_the_place_of_a_file(folder):
    writer = Writer(6)
    number(writer)
    path = only(folder)
    path.unlink()
    path.mkdir()
    assert number(writer) == 6


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    """A file stands where the folder should be: not even root could write there."""
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "blocked"))
    writer = Writer(7)
    assert [number(writer), number(writer)] == [7, 7]
    assert writer.written == 2


def test_nothing_is_left_behind_when_the_disk_is_full(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert number(Writer(8)) == 8
    assert not list(folder.iterdir())


def test_which_folder(monkeypatch):
    monkeypatch.setenv("ATOMSCAPE_KERNELS", "~/kernels of this machine")
    assert kernel_folder() == Path.home() / "kernels of this machine"
    monkeypatch.delenv("ATOMSCAPE_KERNELS")
    monkeypatch.setenv("ATOMSCAPE_CACHE", "/somewhere")
    assert kernel_folder() == Path("/somewhere/kernels")
    monkeypatch.setenv("ATOMSCAPE_CACHE", "~/mine")
    assert kernel_folder() == Path.home() / "mine" / "kernels"
    monkeypatch.setenv("ATOMSCAPE_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert kernel_folder() == Path("/cache/atomscape/kernels")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert kernel_folder() == Path.home() / ".cache" / "atomscape" / "kernels"


def test_code_that_is_wrong_is_refused():
    with pytest.raises(RuntimeError, match="expected"):
        address_of("wrong", (), lambda: "define void @wrong( {")


def test_two_processes_at_once(folder):
    """Both compile or find the same kernels while the other does; both results are right."""
    code = """
import torch
from atomscape.ops.convolution import Coupling, convolution
c = Coupling(1, 1, 1)
g = torch.Generator().manual_seed(0)
x, Y, w = (torch.randn(s, generator=g) for s in ((3, 4, 2), (5, 4), (5, len(c.paths), 2)))
i, j = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([1, 2, 0, 0, 1])
x.requires_grad_()
with convolution.force("cpu"):
    (d,) = torch.autograd.grad(convolution(x, Y, w, i, j, c).square().sum(), x)
with convolution.force("reference"):
    (e,) = torch.autograd.grad(convolution(x, Y, w, i, j, c).square().sum(), x)
torch.testing.assert_close(d, e)
print("agree")
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True) for _ in range(2)]
    for process in both:
        out, error = process.communicate(timeout=300)
        assert out.strip() == "agree", error
    assert all(path.suffix == ".o" for path in folder.iterdir()), "no temporary file is left"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no modes here")
def test_what_others_may_have_written_is_not_executed(folder):
    writer = Writer(5)
    number(writer)
    only(folder).chmod(0o666)
    assert number(writer) == 5
    assert writer.written == 2
    assert number(writer) == 5
    assert writer.written == 2, "the new file is the user's own"
    assert not only(folder).stat().st_mode & 0o022
    assert not folder.stat().st_mode & 0o077


def test_users_without_a_home(monkeypatch):
    def nowhere() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("ATOMSCAPE_CACHE")
    monkeypatch.setattr(Path, "home", nowhere)
    assert kernel_folder() == Path(tempfile.gettempdir()) / "atomscape" / "kernels"
