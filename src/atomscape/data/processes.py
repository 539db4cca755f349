"""Share work among processes that end when their parent does, however it ends.

Processes are started anew (``spawn``): a copy of a process whose libraries have threads can hang. So what is
sent to them must be importable: a function at the top level of a module, and values that can be pickled; and
a script that uses them needs the line ``if __name__ == "__main__":``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any

Task = Callable[[Any, Callable[[Any], None]], Any]
"""``task(item, tell)`` returns a result; ``tell`` sends anything to the parent meanwhile."""

KINDS = (OSError, LookupError, ImportError, ValueError)
"""An error in a process reaches the user as the first of these that it is, else as a ``RuntimeError``."""


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    item: Any = None


def in_processes(
    task: Task, items: Sequence[Any], workers: int, told: Callable[[Any], None] = lambda message: None
) -> list[Any]:
    """Results of ``task(item, tell)`` for all items, in their order; ``told`` gets what the tasks tell.

    With one worker all is done in this process.

    Raises
    ------
    ValueError
        ``workers`` is less than 1, or the task cannot be sent to a process.
    ChildProcessError
        A process was killed; the message names the item.
    OSError, LookupError, ImportError, ValueError, RuntimeError
        A task failed; the message names the item.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers asked for; at least 1 is needed")
    if workers == 1 or len(items) < 2:
        return [_here(task, item, told) for item in items]
    try:
        ForkingPickler.dumps(task)
    except Exception as error:
        raise ValueError(
            f"this work cannot be sent to other processes ({error}); "
            "use a function at the top level of a module, or workers=1"
        ) from error
    crew: list[_Worker] = []
    try:
        with _deaf_to_interrupts():
            for _ in range(min(workers, len(items))):
                crew.append(_started(task))
        return _conduct(crew, items, told)
    finally:
        for worker in crew:
            worker.process.kill()
        for worker in crew:
            worker.process.join()
            worker.connection.close()


def _here(task: Task, item: Any, told: Callable[[Any], None]) -> Any:
    try:
        return task(item, told)
    except Exception as error:
        raise _rebuilt(_described(error), item) from error


def _conduct(crew: list[_Worker], items: Sequence[Any], told: Callable[[Any], None]) -> list[Any]:
    """Give each worker the next item when it has done one."""
    results: list[Any] = [None] * len(items)
    waiting = iter(enumerate(items))
    busy = {worker.connection: worker for worker in crew if _give(worker, waiting)}
    while busy:
        for connection in wait(list(busy)):
            worker = busy[connection]  # pyright: ignore[reportArgumentType]
            try:
                what, number, content = worker.connection.recv()
            except (EOFError, OSError):
                raise _lost(worker) from None
            if what == "told":
                told(content)
            elif what == "failed":
                raise _rebuilt(content, worker.item)
            else:
                results[number] = content
                if not _give(worker, waiting):
                    del busy[worker.connection]
    return results


def _give(worker: _Worker, waiting: Iterator[tuple[int, Any]]) -> bool:
    """Send the next item; False if there is none."""
    following = next(waiting, None)
    if following is None:
        return False
    worker.item = following[1]
    try:
        worker.connection.send(following)
    except (BrokenPipeError, ConnectionResetError):
        raise _lost(worker) from None
    return True


def _started(task: Task) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, task), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(connection: Connection, task: Task) -> None:
    """Life of a worker: items come in, results go out, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            number, item = connection.recv()
        except EOFError:
            return
        try:
            answer = ("done", number, task(item, lambda message: connection.send(("told", None, message))))
        except Exception as error:
            answer = ("failed", number, _described(error))
        connection.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started meanwhile do not hear Ctrl-C, not even while they load; the parent does later."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _described(error: Exception) -> tuple[type[Exception], int | None, str, str]:
    """Kind, number, text and traceback of an error, as values that every process can read."""
    kind = next((k for k in KINDS if isinstance(error, k)), RuntimeError)
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    number = None
    if isinstance(error, OSError) and error.errno is not None:
        names = [str(n) for n in (error.filename, error.filename2) if n is not None]
        number, text = error.errno, ": ".join([*names, error.strerror or text])
    if kind is RuntimeError:
        text = f"{type(error).__name__}: {text}"
    return kind, number, text, "".join(traceback.format_exception(error))


def _rebuilt(described: tuple[type[Exception], int | None, str, str], item: Any) -> Exception:
    kind, number, text, trace = described
    text = f"{text or kind.__name__} (while working on {_name(item)})"
    error = kind(text) if number is None else OSError(number, text)
    error.add_note(trace)
    return error


def _lost(worker: _Worker) -> ChildProcessError:
    worker.process.join(10)
    code = worker.process.exitcode
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with status {code}"
    why = "; the machine may have run out of memory: use fewer workers" if code == -signal.SIGKILL else ""
    return ChildProcessError(f"the process that worked on {_name(worker.item)} {how}{why}")


def _name(item: Any) -> str:
    text = str(item)
    return text if len(text) <= 200 else f"{text[:200]}…"
