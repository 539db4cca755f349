"""A network of another package in a process of its own, and its derivatives.

One process serves all encoders of the same network in this process; it ends with us. Features are f(x) of
what the network reads (``reading``), mostly the edge vectors x. First derivatives are vector–Jacobian
products that the other process computes. They can be differentiated once more, by x and by the cotangent, so
forces of a head on such features can be learned.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from atomscape.nn.foreign.interpreter import interpreter
from atomscape.nn.foreign.protocol import Board, anonymous_file, receive, send
from atomscape.shapes import Float, Tensor

SCRIPT = Path(__file__).with_name("worker.py")


class Worker:
    """A process that holds a network; see ``worker.py`` for what it answers.

    Raises
    ------
    LookupError
        No interpreter with the package is known.
    RuntimeError
        It could not build the network, ended, or failed at a request; what it said is shown.
    """

    def __init__(self, package: str, file: Path, options: Mapping[str, Any]) -> None:
        self.package = package
        requests, answers = anonymous_file(), anonymous_file()
        said = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(w) for w in (interpreter(package), SCRIPT, file, requests, answers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            pass_fds=(requests, answers),
            env={**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": str(torch.get_num_threads())},
        )
        self._requests, self._answers, self._said = Board(requests), Board(answers), said
        self.close = weakref.finalize(self, _end, self._process, said, (requests, answers))
        self.about = self._ask("build", {}, options=dict(options))[0]

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def ask(self, what: str, dtype: torch.dtype, **tensors: Tensor) -> dict[str, Tensor]:
        """Tensors for tensors, computed in a dtype."""
        arrays = {k: t.detach().cpu().numpy() for k, t in tensors.items()}
        found = self._ask(what, arrays, dtype=str(dtype).removeprefix("torch."))[1]
        return {k: torch.from_numpy(a).to(tensors["x"].device) for k, a in found.items()}

    def _ask(self, what: str, arrays: Mapping[str, Any], **words: Any) -> tuple[dict[str, Any], dict]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            send(self._process.stdin, self._requests, arrays, do=what, **words)
            message = receive(self._process.stdout, self._answers)
        except (BrokenPipeError, ConnectionResetError, ValueError):
            message = None
        except BaseException:
            self.close()  # interrupted: its answer would be taken for that of the next request
            raise
        if message is None:
            raise RuntimeError(self._ended(what))
        if "error" in message[0]:
            raise RuntimeError(
                f"{self.package}, asked for {what!r}: {message[0]['error']}\n{message[0]['trace']}"
            )
        return message

    def _ended(self, what: str) -> str:
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            code = None
        how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"status {code}"
        self._said.seek(0)
        tail = self._said.read()[-2000:]
        return (
            f"the process of {self.package} (number {self.pid}) ended with {how} when asked for {what!r}. "
            f"Start anew; if it was killed for want of memory, use smaller batches.\n{tail}"
        )


def _end(process: subprocess.Popen, said: Any, descriptors: tuple[int, int]) -> None:
    """End a process and give back what it shared."""
    process.kill()
    process.communicate()
    said.close()
    for descriptor in descriptors:
        os.close(descriptor)


def worker(package: str, file: Path, options: Mapping[str, Any]) -> Worker:
    """The process of a network, started where there is none yet; one that has ended is replaced."""
    key = (package, file, json.dumps(dict(options), sort_keys=True), os.getpid())
    found = _started(*key)
    if not found.alive:
        found.close()
        _started.cache_clear()
        found = _started(*key)
    return found


@cache
def _started(package: str, file: Path, options: str, parent: int) -> Worker:
    return Worker(package, file, json.loads(options))


def features(
    of: Worker, x: Float[Tensor, "rows 3"], graph: Mapping[str, Tensor], dtype: torch.dtype
) -> Float[Tensor, "atoms features"]:
    """Features of all layers side by side; differentiable by x, twice. ``graph`` holds indices."""
    return _Features.apply(x, of, dtype, dict(graph))  # type: ignore[return-value]


class _Features(torch.autograd.Function):
    """f(x); its backward is ``_Pulled``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, of: Worker, dtype: torch.dtype, graph: dict[str, Tensor]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.of, ctx.dtype, ctx.graph = of, dtype, graph
        return of.ask("features", dtype, x=x, **graph)["f"].to(dtype)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return _Pulled.apply(x, cotangents[0], ctx.of, ctx.dtype, ctx.graph), None, None, None


class _Pulled(torch.autograd.Function):
    """Jᵀg as a function of x and g."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, g: Tensor, of: Worker, dtype: torch.dtype, graph: dict[str, Tensor]
    ) -> Tensor:
        ctx.save_for_backward(x, g)
        ctx.of, ctx.dtype, ctx.graph = of, dtype, graph
        return of.ask("pull", dtype, x=x, g=g, **graph)["x"].to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        x, g = ctx.saved_tensors
        found = ctx.of.ask("pull_again", ctx.dtype, x=x, g=g, v=cotangents[0], **ctx.graph)
        return found["x"].to(x.dtype), found["g"].to(g.dtype), None, None, None
