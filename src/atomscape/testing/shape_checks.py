"""Switch on the shape annotations: in tests every annotated function and dataclass checks its arrays.

Call ``install()`` before anything else of the package (or of your own package) is imported, for instance in
the first lines of ``conftest.py``.

Modules get a decorator on each function and dataclass as they are loaded, and their compiled code is kept
beside Python's own. beartype checks every argument and the result once; within a call the names of axes mean
the same number (jaxtyping). Only functions that speak of arrays pay for that. The import hook of jaxtyping
does the same, but binds every call anew and checks all arguments again with the result: small networks
trained half as fast with it.
"""

from __future__ import annotations

import ast
import inspect
import marshal
import os
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import cache_from_source, decode_source
from pathlib import Path
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any, get_type_hints

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep673Exception
from jaxtyping import TypeCheckError, jaxtyped
from torch.jit import is_tracing  # pyright: ignore[reportPrivateImportUsage]

MARK = "shapes1"
"""Name of the compiled code; a new one where what is added to modules changes."""

_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeCheckError))
# tower: an int is a float, as for type checkers


def install(*packages: str) -> None:
    """Check annotations of these packages (``atomscape`` if none is named) with jaxtyping and beartype."""
    sys.meta_path.insert(0, _Finder(packages or ("atomscape",)))


def checked(target: Any) -> Any:
    """A function that checks what goes in and what comes out, or a dataclass that checks its fields."""
    if not isinstance(target, type):
        return _checked_function(target)
    if is_dataclass(target) and "__init__" in vars(target):
        made = vars(target)["__init__"]
        if inspect.unwrap(made) is made:  # one that is written out is checked already
            target.__init__ = _checked_function(made)
    return target


def _checked_function(function: FunctionType) -> Callable:
    hints = _hints(function.__annotations__, function.__globals__)
    if inspect.isgeneratorfunction(function):
        return _checked_generator(function, hints)
    said = repr(hints)
    if not hints or "torch.ScriptClass" in said:  # TorchScript reads those, and has its own idea of classes
        return function
    code, scope, closure = function.__code__, function.__globals__, function.__closure__
    run = FunctionType(code, scope, function.__name__, function.__defaults__, closure)
    run.__kwdefaults__, run.__qualname__ = function.__kwdefaults__, function.__qualname__
    run.__module__, run.__annotations__ = function.__module__, hints
    try:
        run = _beartype(run)
    except BeartypeDecorHintPep673Exception:  # ``Self``, which only a class can resolve
        return function
    if "jaxtyping" not in said and int not in hints.values():
        return wraps(function)(run)

    @wraps(function)
    def within(*args, **kwargs):
        if is_tracing():  # sizes are tensors there
            return function(*args, **kwargs)
        with jaxtyped("context"):
            return run(*args, **kwargs)

    return within


def _checked_generator(function: FunctionType, hints: dict[str, Any]) -> Callable:
    """What goes in is checked when it is called, not when the first item is asked for in another's call."""
    given = inspect.signature(function).parameters.values()
    bare = [p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else None) for p in given]
    made: dict[str, Any] = {}
    exec(f"def check{inspect.Signature(bare)}: pass", made)
    check = made["check"]
    check.__defaults__, check.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    check.__qualname__, check.__module__ = function.__qualname__, function.__module__
    check.__annotations__ = {name: hint for name, hint in hints.items() if name != "return"}
    check = _beartype(check)

    @wraps(function)
    def within(*args, **kwargs):
        if not is_tracing():
            with jaxtyped("context"):
                check(*args, **kwargs)
        return function(*args, **kwargs)

    return within


def _hints(annotations: dict[str, Any], scope: dict[str, Any]) -> dict[str, Any]:
    """What annotations mean; anything for those that name what is not known when the module is loaded."""
    try:
        return get_type_hints(SimpleNamespace(__annotations__=annotations), scope, include_extras=True)
    except Exception:
        if len(annotations) == 1:
            return dict.fromkeys(annotations, Any)
        return {name: _hints({name: given}, scope)[name] for name, given in annotations.items()}


class _Decorate(ast.NodeTransformer):
    """Adds ``checked``: innermost to functions, outermost to classes, which ``@dataclass`` made before."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.decorator_list.append(_decorator(node))
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.decorator_list.insert(0, _decorator(node))
        return node


def _decorator(at: ast.stmt) -> ast.expr:
    made = ast.parse(f"__import__({__name__!r}, fromlist=['checked']).checked", mode="eval").body
    return ast.fix_missing_locations(ast.copy_location(made, at))


class _Loader(SourceFileLoader):
    """Loads a module with checks, from compiled code where that is as new as the source."""

    def get_code(self, fullname: str) -> CodeType:
        source = Path(self.path)
        kept, stat = Path(cache_from_source(self.path, optimization=MARK)), source.stat()
        stamp = f"{stat.st_mtime_ns} {stat.st_size} {sys.version}\n".encode()
        if kept.is_file() and (found := kept.read_bytes()).startswith(stamp):
            return marshal.loads(found[len(stamp) :])
        tree = _Decorate().visit(ast.parse(decode_source(source.read_bytes())))
        code = compile(tree, self.path, "exec", dont_inherit=True)
        part = kept.with_name(f"{kept.name}.{os.getpid()}")
        try:
            kept.parent.mkdir(exist_ok=True)
            part.write_bytes(stamp + marshal.dumps(code))
            part.replace(kept)
        except OSError:  # a package that cannot be written to is compiled each time
            part.unlink(missing_ok=True)
        return code


class _Finder(MetaPathFinder):
    """Finds modules of some packages as Python does, to be loaded with checks."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if not any(fullname == name or fullname.startswith(f"{name}.") for name in self.packages):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec
