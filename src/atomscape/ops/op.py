"""An operation: one readable reference, and any number of guest back-ends that must agree with it.

The reference is the documentation and the oracle. A back-end ("kernel") is one file in ``ops/kernels`` named
``<operation>_<backend>.py`` with two functions::

    def serves(*args, **kwargs) -> str | None: ...   # None: can serve; else the reason why not
    def run(*args, **kwargs): ...                    # same signature and result as the reference

Which one serves a call depends on the arguments alone and is never silent: ``op.explain(...)`` names the
choice and why the others declined. ``force`` chooses by hand; a forced back-end that cannot serve raises.
The state is a module global on purpose: a ContextVar in a dispatch breaks ``torch.compile``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from atomscape.find import available, find, suggest
from atomscape.ops.traced import constant_when_traced

REFERENCE = "reference"
OPS: dict[str, Op] = {}
_forced: dict[str, str] = {}
_watching: list[Explanation] | None = None


@dataclass(frozen=True)
class Explanation:
    """Who serves a call, and why each other back-end does not."""

    op: str
    chosen: str
    declined: dict[str, str]

    def __str__(self) -> str:
        """Return one line a person can read."""
        others = "; ".join(f"{name}: {why}" for name, why in self.declined.items())
        return f"{self.op} → {self.chosen}" + (f" ({others})" if others else "")


class Op:
    """A callable with a reference and back-ends; calling it dispatches."""

    def __init__(self, reference: Callable[..., Any]) -> None:
        self.name = reference.__name__
        self.reference = reference
        self.__doc__ = reference.__doc__
        self.__wrapped__ = reference
        self._backends: dict[str, ModuleType] | None = None
        OPS[self.name] = self

    @property
    def backends(self) -> dict[str, ModuleType]:
        """Guest back-ends by name, found by being files; imported at first use."""
        _look_for_backends(self.name)
        return self._backends or {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the back-end that serves these arguments."""
        if self.name not in _forced and _watching is None:
            for kernel in self.backends.values():
                if kernel.serves(*args, **kwargs) is None:
                    return kernel.run(*args, **kwargs)
            return self.reference(*args, **kwargs)
        explanation = self.explain(*args, **kwargs)
        if _watching is not None:
            _watching.append(explanation)
        return self._function(explanation.chosen)(*args, **kwargs)

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """Say which back-end serves these arguments, and why the others decline.

        Raises
        ------
        RuntimeError
            A back-end was forced and cannot serve; the message gives its reason.
        """
        reasons = {name: kernel.serves(*args, **kwargs) for name, kernel in self.backends.items()}
        forced = _forced.get(self.name)
        if forced is not None:
            if reasons.get(forced) is not None:
                raise RuntimeError(
                    f"{self.name}: the forced back-end {forced!r} cannot serve: {reasons[forced]}"
                )
            return Explanation(
                self.name,
                forced,
                {n: why or "another was forced" for n, why in reasons.items() if n != forced},
            )
        able = [name for name, why in reasons.items() if why is None]
        chosen = able[0] if able else REFERENCE
        declined = {n: why or f"{chosen} comes first" for n, why in reasons.items() if n != chosen}
        return Explanation(self.name, chosen, declined)

    @contextmanager
    def force(self, backend: str) -> Iterator[None]:
        """Serve every call inside the block by one back-end (``"reference"`` or a kernel's name).

        Raises
        ------
        LookupError
            This operation has no such back-end.
        """
        known = [REFERENCE, *self.backends]
        if backend not in known:
            raise LookupError(
                f"{self.name} has no back-end {backend!r}{suggest(backend, known)} Known: {', '.join(known)}."
            )
        before = _forced.get(self.name)
        _forced[self.name] = backend
        try:
            yield
        finally:
            _forced.pop(self.name)
            if before is not None:
                _forced[self.name] = before

    def _function(self, name: str) -> Callable[..., Any]:
        return self.reference if name == REFERENCE else self.backends[name].run


@constant_when_traced  # a graph that is being traced must not follow the imports
def _look_for_backends(name: str) -> None:
    op = OPS.get(name)
    if op is not None and op._backends is None:
        start = f"{name}_"
        files = [f for f in available("ops.kernels") if f.startswith(start)]
        op._backends = {f.removeprefix(start): find("ops.kernels", f) for f in files}


@contextmanager
def watched() -> Iterator[list[Explanation]]:
    """Collect who serves each call inside the block, in order; calls in an inner block count in both."""
    global _watching
    before, _watching = _watching, []
    mine = _watching
    try:
        yield mine
    finally:
        _watching = before
        if before is not None:
            before += mine


def ops() -> dict[str, Op]:
    """All operations by name: every file of ``ops`` is asked for those it has."""
    for found in iter_modules(import_module("atomscape.ops").__path__, "atomscape.ops."):
        if not found.ispkg:
            import_module(found.name)
    return dict(OPS)
