"""Make an environment with another project's potential: ``python scripts/peers.py mace FOLDER``.

The environment stands in FOLDER/mace and has the torch of this interpreter and the package, at the version
that our adapters, experiments and benchmarks were written for. The line that tells them of it is printed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from venv import EnvBuilder

from atomscape.nn.foreign.interpreter import PACKAGES, variable


def main() -> int:
    """Make it, torch first: otherwise pip takes a wheel with libraries for GPUs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("package", choices=PACKAGES)
    parser.add_argument("folder", type=Path, help="where environments stand")
    given = parser.parse_args()
    home = given.folder.absolute() / given.package
    EnvBuilder(with_pip=True).create(home)
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    torch = version("torch").partition("+")[0]
    for what in (f"torch=={torch}", PACKAGES[given.package]):
        subprocess.run([python, "-m", "pip", "install", "--quiet", what], check=True)
    print(f"export {variable(given.package)}={python}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
