"""Write constraints.txt: resolve the package with all its extras anew and pin what comes out.

    python3.11 scripts/constraints.py

Run with the oldest Python that is supported, so that the pins are installable on newer ones too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "dev,bench,molecules,formats,label,tensorboard"
# Chosen by hand: torch, with which speed is measured; triton, which CUDA builds of that torch require;
# soupsieve, whose 4.1 wants Python 3.11.5.
CHOSEN = {"torch": "2.13.0", "triton": "3.7.1", "soupsieve": "2.8"}
HEADER = """\
# Versions that demo, tests, docs and development run with, Python 3.11 to 3.13. Made by `make constraints`.
# `torch==2.13.0` is also met by a local CPU build (2.13.0+cpu) where one is offered to pip.
"""


def resolve(folder: Path) -> dict[str, str]:
    """Versions that a fresh environment would get, by name; nothing is installed."""
    chosen = folder / "chosen.txt"
    chosen.write_text("".join(f"{name}=={version}\n" for name, version in CHOSEN.items()))
    venv.create(folder / "venv", with_pip=True)
    report = folder / "report.json"
    command = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--dry-run",
        "--report",
        report,
        "-c",
        chosen,
        f"{ROOT}[{EXTRAS}]",
    ]
    subprocess.run([folder / "venv/bin/python", *command], check=True)
    found = (item["metadata"] for item in json.loads(report.read_text())["install"])
    return {m["name"].lower().replace("_", "-"): m["version"].partition("+")[0] for m in found}


def main() -> None:
    """Resolve and write."""
    if sys.version_info[:2] != (3, 11):
        sys.exit("run this with Python 3.11, the oldest that is supported")
    with tempfile.TemporaryDirectory() as folder:
        pins = resolve(Path(folder))
    # The package itself, and what only a CUDA build of torch brings (torch pins those itself).
    pins = {k: v for k, v in pins.items() if k != "atomscape" and not k.startswith(("nvidia-", "cuda-"))}
    rest = sorted(k for k in pins if k != "torch")
    text = HEADER + "".join(f"{name}=={pins[name]}\n" for name in ["torch", *rest])
    (ROOT / "constraints.txt").write_text(text)
    print(f"constraints.txt: {len(pins)} packages")


if __name__ == "__main__":
    main()
