"""Shape checks on for the whole package, one thread, warnings are errors, real data only where it is."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Kernels are compiled once per session and forgotten with it; processes that it starts (the workers of
# xdist, commands under test) inherit the folder, also those whose cache of data is one of their own.
if "ATOMSCAPE_CACHE" not in os.environ:
    os.environ["ATOMSCAPE_CACHE"] = tempfile.mkdtemp(prefix="atomscape-tests-")
    atexit.register(shutil.rmtree, os.environ["ATOMSCAPE_CACHE"], ignore_errors=True)

os.environ.setdefault("ATOMSCAPE_KERNELS", str(Path(os.environ["ATOMSCAPE_CACHE"]) / "kernels"))

from atomscape.testing import shape_checks

# Before anything else of the package is imported: annotated functions and dataclasses check their arrays.
shape_checks.install()

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from atomscape.web.browser import find_browser  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture
def generator() -> torch.Generator:
    """A fresh torch generator; nothing in the tests draws from the global one."""
    return torch.Generator().manual_seed(20240229)


@pytest.fixture
def rng() -> np.random.Generator:
    """A fresh numpy generator."""
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets; skips the test where there is none."""
    given = os.environ.get("ATOMSCAPE_DATA", "")
    if not given:
        pytest.skip("real data: the environment variable ATOMSCAPE_DATA is not set")
    root = Path(given)
    if not root.is_dir():
        pytest.skip(f"real data: ATOMSCAPE_DATA={given} is not a folder")
    return root


@pytest.fixture(scope="session")
def real_data(data_root: Path):
    """``real_data("qm9")`` is that folder under ATOMSCAPE_DATA, or the test is skipped with the reason."""

    def folder(name: str) -> Path:
        path = data_root / name
        if not path.exists():
            pytest.skip(f"real data: {path} does not exist")
        return path

    return folder


@pytest.fixture(scope="session")
def start_browser() -> Iterator[Callable]:
    """``start_browser(*flags)`` is a running Chromium; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    path = find_browser()
    if path is None:
        pytest.skip("no browser: no Chromium on PATH, and ATOMSCAPE_BROWSER is not set")
    with sync_api.sync_playwright() as playwright:
        running = {}

        def start(*flags: str):
            if flags not in running:
                args = ["--no-sandbox", "--disable-gpu", *flags]
                running[flags] = playwright.chromium.launch(executable_path=path, args=args)
            return running[flags]

        yield start
        for browser in running.values():
            browser.close()


@pytest.fixture(autouse=True)
def _global_state_untouched():
    """A test that leaves torch's default dtype or thread number changed would change other tests."""
    before = torch.get_default_dtype()
    yield
    after = torch.get_default_dtype()
    torch.set_default_dtype(before)
    assert after == before, f"the test left torch's default dtype at {after}"
