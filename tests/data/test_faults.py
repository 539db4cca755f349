"""Whatever kills a writer, and when, the old store or the new one is there, and the next writer succeeds."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.append import append_store
from atomscape.data.card import Card
from atomscape.data.store import Store, write_store

SCENE = '''
import os, random, resource, shutil, signal, sys, time
from pathlib import Path
import torch
from atomscape.atoms.structures import Structures
from atomscape.data import atomic
from atomscape.data.append import append_store
from atomscape.data.card import Card
from atomscape.data.merge import merge_stores
from atomscape.data.store import Store, write_store

torch.set_num_threads(1)
HERE = Path(sys.argv[1])
TARGET = HERE / "s"

def some(n, seed):
    draw = torch.Generator().manual_seed(seed)
    return Structures(
        torch.randn(n, 3, generator=draw, dtype=torch.float64), torch.full((n,), seed),
        torch.zeros(n, 3, 3, dtype=torch.float64), torch.zeros(n, 3, dtype=torch.bool), torch.arange(n),
        {}, tuple(f"{seed}/{k}" for k in range(n)),
    )

def new():
    for seed in (2, 3, 4):
        yield some(4, seed)

CARD = Card(name="s")
ACTIONS = {
    "write": lambda: write_store(TARGET, new(), CARD, shard_atoms=1),
    "overwrite": lambda: write_store(TARGET, new(), CARD, shard_atoms=1, overwrite=True),
    "append": lambda: append_store(TARGET, new(), shard_atoms=1),
    "merge": lambda: merge_stores(TARGET, [Store.open(HERE / n) for n in "ab"], overwrite=True),
}

def prepared(action):
    """The state before, and how many structures the old and the new store have."""
    for path in HERE.iterdir():
        shutil.rmtree(path)
    if action == "write":
        return {None, 12}
    write_store(TARGET, [some(5, 1)], CARD)
    if action == "merge":
        for name, seed in (("a", 7), ("b", 8)):
            write_store(HERE / name, [some(6, seed)], Card(name=name))
        return {5, 12}
    return {5, 12} if action == "overwrite" else {5, 17}

def there():
    """Number of structures in the store, which is whole; None if there is none."""
    if not TARGET.exists() and not list(HERE.glob(".s~*.old.part")):
        return None
    store = Store.open(TARGET)
    store.verify()
    elements = store[:].numbers.unique().tolist()
    assert elements in {5: ([1],), 12: ([2, 3, 4], [7, 8]), 17: ([1, 2, 3, 4],)}.get(len(store), (elements,))
    return len(store)

def child(work):
    """Run in a copy of this process; how it ended."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print("child failed:", repr(error), flush=True)
            os._exit(1)
    return pid

def ended(pid):
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the writer itself failed"
    return os.WIFSIGNALED(status)

def after(action, allowed, what):
    found = there()
    assert found in allowed, (action, what, found)
    ACTIONS["write" if found is None else "append"]()
    assert there() == (found or 0) + 12
    visible = [p.name for p in HERE.iterdir()]
    assert all(name in ("s", "a", "b") for name in visible), (action, what, visible)
    hidden = [p.name for p in TARGET.iterdir() if p.name.startswith(".")]
    assert not hidden, (action, what, hidden)
    return found
'''


def played(tmp_path: Path, act: str) -> list:
    """Run a script after the scene in a process of its own; what it printed as JSON."""
    script, place = tmp_path / "script.py", tmp_path / "place"
    script.write_text(SCENE + textwrap.dedent(act))
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(place)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("exchange", [True, False], ids=["one-step", "two-steps"])
def test_killed_at_every_step(tmp_path, exchange) -> None:
    """Killed before the n-th call that changes or opens a file, for every n there is."""
    found = played(
        tmp_path,
        f"""
        import json
        if not {exchange}:
            atomic._exchange = lambda a, b: False
        EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "ctypes.dlsym")
        def deadly(action, steps):
            def hear(event, args):
                nonlocal steps
                if event in EVENTS:
                    steps -= 1
                    if steps < 0:
                        os.kill(os.getpid(), signal.SIGKILL)
            sys.addaudithook(hear)
            ACTIONS[action]()
        for action in ACTIONS if {exchange} else ("overwrite",):
            seen, n, killed = [], 0, True
            while killed:
                allowed = prepared(action)
                killed = ended(child(lambda: deadly(action, n)))
                seen.append(after(action, allowed, n))
                n += 1
            print(json.dumps([action, seen]), flush=True)
        """,
    )
    assert len(found) == (4 if exchange else 1)
    for action, seen in found:
        assert len(seen) > 10, (action, seen)
        changes = [a != b for a, b in pairwise(seen)]
        assert sum(changes) == 1, f"{action}: the old store, then the new one; {seen}"


def test_killed_at_any_moment(tmp_path) -> None:
    """Real writers killed after a random time; some must have been caught at work."""
    found = played(
        tmp_path,
        """
        import json
        draw = random.Random(0)
        def begun(action):
            os.write(told, b"1")
            ACTIONS[action]()
        def duration(action):
            prepared(action)
            start = time.monotonic()
            ended(child(ACTIONS[action]))
            return time.monotonic() - start
        hears, told = os.pipe()
        actions = ("overwrite", "append", "merge")
        usual = {action: min(duration(action) for _ in range(3)) for action in actions}
        for round in range(24):
            action = actions[round % 3]
            allowed = prepared(action)
            pid = child(lambda: begun(action))
            os.read(hears, 1)
            time.sleep(draw.uniform(0.0, 1.3 * usual[action]))
            os.kill(pid, signal.SIGKILL)
            ended(pid)
            at_work = len([p for p in HERE.rglob(".*") if p.name != "place"]) > 0
            print(json.dumps([after(action, allowed, round), at_work]), flush=True)
        """,
    )
    assert len(found) == 24
    assert any(at_work for _, at_work in found)
    assert len({n for n, _ in found}) >= 2, "old ones and new ones"


def some(n: int, seed: int = 1) -> Structures:
    """Single atoms."""
    draw = torch.Generator().manual_seed(seed)
    return Structures(
        torch.randn(n, 3, generator=draw, dtype=torch.float64),
        torch.full((n,), seed),
        torch.zeros(n, 3, 3, dtype=torch.float64),
        torch.zeros(n, 3, dtype=torch.bool),
        torch.arange(n),
        {"energy": torch.randn(n, generator=draw, dtype=torch.float64)},
    )


def filling(folder: Path, n: int) -> None:
    """Write, overwrite and append more than there is room for: each says so and changes nothing."""
    old = write_store(folder / "s", [some(5)], Card(name="s"))
    actions = [
        lambda: write_store(folder / "t", [some(n)], Card(name="t")),
        lambda: write_store(folder / "s", [some(n)], Card(name="s"), overwrite=True),
        lambda: append_store(folder / "s", [some(7), some(n)], shard_atoms=10),
    ]
    for act in actions:
        with pytest.raises(OSError, match=r"no room to write .*unchanged\. Make room, or choose") as caught:
            act()
        assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
        assert [p.name for p in folder.iterdir()] == ["s"]
        again = Store.open(folder / "s")
        again.verify()
        assert again.fingerprint == old.fingerprint
        assert len(list((folder / "s").iterdir())) == 2
    assert len(append_store(folder / "s", [some(7)])) == 12


def test_largest_file(tmp_path) -> None:
    """The system refuses files beyond 100 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        filling(tmp_path, 2_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk(tmp_path) -> None:
    """A disk of one megabyte, where the tests may mount one."""
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("a small disk cannot be mounted here; test_largest_file has the kernel refuse instead")
    try:
        filling(tmp_path, 20_000)
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.mark.parametrize("failing", ["shard", "card"])
def test_full_at_the_last_moment(tmp_path, monkeypatch, failing) -> None:
    """No room when files are put on disk, or for the card alone."""
    write_store(tmp_path / "s", [some(5)], Card(name="s"))
    synced = os.fsync
    calls = []

    def full(place):
        calls.append(place)
        if len(calls) == (1 if failing == "shard" else 3):
            raise OSError(errno.ENOSPC, "No space left on device")
        synced(place)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no room to write"):
            append_store(tmp_path / "s", [some(3)])
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == ["card.json", "shard-00000.arrow"]
    Store.open(tmp_path / "s").verify()


def test_a_folder_that_is_no_store_is_never_replaced(tmp_path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    for name in ("thesis", "file"):
        with pytest.raises(FileExistsError, match="is not a store and is not replaced"):
            write_store(tmp_path / name, [some(3)], Card(name="s"), overwrite=True)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    assert len(write_store(tmp_path / "empty", [some(3)], Card(name="s"), overwrite=True)) == 3


def test_every_flipped_byte_is_found(tmp_path) -> None:
    from atomscape.data.shards import BrokenStore

    store = write_store(tmp_path / "s", [some(20)], Card(name="s"))
    path = store.folder / "shard-00000.arrow"
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        with pytest.raises(BrokenStore, match="was altered"):
            Store.open(store.folder).verify()
    path.write_bytes(content)
    Store.open(store.folder).verify()


@pytest.mark.parametrize("part", [0.0, 0.3, 0.999])
def test_truncated_shard_stops_every_use(tmp_path, part) -> None:
    from atomscape.data.shards import BrokenStore

    store = write_store(tmp_path / "s", [some(20)], Card(name="s"))
    path = store.folder / "shard-00000.arrow"
    os.truncate(path, int(part * path.stat().st_size))
    for use in (Store.open, lambda folder: append_store(folder, [some(1)])):
        with pytest.raises(BrokenStore, match=r"is truncated: \d+ bytes, the card says"):
            use(store.folder)
