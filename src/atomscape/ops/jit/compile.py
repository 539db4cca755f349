"""Compile kernels once per machine: LLVM's object code is kept on disk under a key of all that it depends on.

The key is a hash of the kernel's name and parameters, of the source of the code that writes kernels, of the
processor with its features, and of LLVM's version; a changed generator or another machine never meets an old
object. Files are written beside their place and renamed, so processes may race and be killed. A file that
LLVM cannot have written (its checksum is wrong) is made again; so is one that another user may have written,
for it would be executed: only the system's and one's own, which nobody else can change, are taken.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

_LARGE = 4000  # lines

_engines: list[llvm.ExecutionEngine] = []  # they own the machine code


def kernel_folder() -> Path:
    """Folder of compiled kernels: ``$ATOMSCAPE_KERNELS``, else ``kernels`` in the cache folder.

    The cache folder is ``$ATOMSCAPE_CACHE``, else the user's; users without a home keep kernels with
    temporary files. A place of their own is for machines that share the cache of data over a network.
    """
    try:
        if own := os.environ.get("ATOMSCAPE_KERNELS"):
            return Path(own).expanduser()
        if given := os.environ.get("ATOMSCAPE_CACHE"):
            return Path(given).expanduser() / "kernels"
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser()
    except RuntimeError:
        home = Path(tempfile.gettempdir())
    return home / "atomscape" / "kernels"


def address_of(name: str, parameters: tuple, write: Callable[[], str]) -> int:
    """Address of the native function ``name``; ``write()`` returns its LLVM IR and is called if needed.

    ``parameters`` must tell apart all variants of the kernel that share the name.
    """
    key = hashlib.sha256(repr((name, parameters, _code(), _machine())).encode()).hexdigest()
    path = kernel_folder() / f"{name}-{key[:32]}.o"
    compiled = _read(path)
    if compiled is None:
        compiled = _compile(write())
        _keep(path, compiled)
    return _link(compiled, name)


@cache
def vector_bytes() -> int:
    """Width of this processor's widest vector registers."""
    features = _features()
    if features.get("avx512f") and features.get("avx512vl"):
        return 64
    return 32 if features.get("avx2") else 16


@cache
def on_x86() -> bool:
    """Whether this processor knows the instructions of x86."""
    return llvm.get_process_triple().startswith(("x86_64", "i686"))


@cache
def _features() -> dict[str, bool]:
    return dict(llvm.get_host_cpu_features())


@cache
def _machine() -> tuple[str, ...]:
    features = ",".join(sorted(name for name, there in _features().items() if there))
    try:
        numba = version("numba")  # it writes the code of scalar kernels
    except PackageNotFoundError:
        numba = ""
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), features, llvmlite.__version__, numba


@cache
def _code() -> str:
    """Hash of every file that may have a say in what a kernel computes."""
    total = hashlib.sha256()
    floors = Path(__file__).parents[2]
    for path in sorted(p for floor in ("o3", "ops") for p in (floors / floor).rglob("*") if p.is_file()):
        if path.suffix in (".py", ".npz"):
            total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


@cache
def _target() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3, reloc="pic", codemodel="jitdefault", jit=True
    )


def _compile(text: str) -> bytes:
    module = llvm.parse_assembly(text)
    module.triple = llvm.get_process_triple()
    module.verify()
    _optimise(module, large=text.count("\n") > _LARGE)
    return _target().emit_object(module)


def _optimise(module: llvm.ModuleRef, large: bool) -> None:
    """LLVM's usual passes without its vectorisers and unrolling: the kernels are vectors, and unrolled.

    Long straight code gains nothing from most of them and would take minutes: variables become registers, and
    that is all.
    """
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_unrolling = False
    builder = llvm.create_pass_builder(_target(), tuning)
    if not large:
        builder.getModulePassManager().run(module, builder)
        return
    passes = llvm.create_new_function_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)


def _link(compiled: bytes, name: str) -> int:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(compiled))
    engine.finalize_object()
    _engines.append(engine)
    return engine.get_function_address(name)


def _read(path: Path) -> bytes | None:
    """Object code of an earlier run, if it is whole and can be trusted."""
    try:
        with path.open("rb") as file:
            if not _ours(os.fstat(file.fileno())):
                return None
            kept = file.read()
    except OSError:
        return None
    checksum, compiled = kept[:32], kept[32:]
    return compiled if hashlib.sha256(compiled).digest() == checksum else None


def _ours(file: os.stat_result) -> bool:
    """Whether only this user and the system's can have written a file; Windows has folders for that."""
    user = getattr(os, "geteuid", None)
    return user is None or (file.st_uid in (0, user()) and not file.st_mode & 0o022)


def _keep(path: Path, compiled: bytes) -> None:
    """Write under another name, then rename; a folder that cannot be written costs a compilation, no more."""
    beside = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            beside = Path(file.name)
            file.write(hashlib.sha256(compiled).digest() + compiled)
        beside.replace(path)
    except OSError:
        if beside is not None:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
