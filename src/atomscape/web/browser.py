"""A Chromium on this machine, and pictures of pages taken with it: for tests, documentation and reports."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")


def find_browser() -> str | None:
    """Path of a Chromium: the environment variable ATOMSCAPE_BROWSER, else the first found on PATH."""
    given = os.environ.get("ATOMSCAPE_BROWSER", "")
    if given:
        return shutil.which(given)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def screenshot(
    page: str | os.PathLike[str],
    picture: str | os.PathLike[str],
    width: int = 1440,
    height: int = 900,
    state: str = "",
    timeout: float = 120.0,
) -> Path:
    """Take a PNG picture of a page.

    Parameters
    ----------
    width, height
        Size of the window in pixels.
    state
        What the page shows, as in its address after ``#``: ``"projection=UMAP&colour=gap&theme=dark"``.
    timeout
        Seconds after which the browser is given up.

    Raises
    ------
    LookupError
        No Chromium is installed.
    OSError
        The browser failed or wrote no picture.
    """
    browser = find_browser()
    if browser is None:
        raise LookupError(
            f"no browser found: none of {', '.join(NAMES)} is on PATH and ATOMSCAPE_BROWSER is not set"
        )
    picture = Path(picture).absolute()
    address = Path(page).absolute().as_uri() + (f"#{state}" if state else "")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        command += ["--virtual-time-budget=20000", f"--screenshot={picture}", address]
        before = picture.stat().st_mtime_ns if picture.exists() else -1
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            raise OSError(f"{browser} took no picture of {page} within {timeout:g} s") from error
    if run.returncode or not picture.exists() or picture.stat().st_mtime_ns == before:
        raise OSError(
            f"{browser} took no picture of {page} (exit {run.returncode}): {run.stderr.strip()[-500:]}"
        )
    return picture
