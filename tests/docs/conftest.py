"""The examples of the documentation are importable, as ``my_package``, with their shapes checked."""

from __future__ import annotations

import sys
from pathlib import Path

from atomscape.testing import shape_checks

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs" / "howto"))
shape_checks.install("my_package")
