"""Docstrings are written to be read in the source; here they become reStructuredText.

An indented block in the running text (a formula, a table of cases, a call) is shown as it stands. A bar, as
in |x|, is a bar and not a substitution. Sections in numpy style are left to napoleon.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx

SECTION = re.compile(r"^(-{3,}|={3,})$")
ITEM = re.compile(r"^\s*([-*+]|\(?\w{1,2}[.)])\s")
LITERAL = re.compile(r"(``.+?``|:\w+:`.+?`)")


def _process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    end = next((i - 1 for i, line in enumerate(lines) if i and SECTION.match(line)), len(lines))
    lines[:] = [*_literal_blocks(lines[:end]), *map(_bars, lines[end:])]


def _literal_blocks(lines: list[str]) -> list[str]:
    """Put ``::`` before indented blocks that follow a paragraph, unless they continue a list."""
    out: list[str] = []
    before, inside = "", False
    for line in lines:
        indented = line.startswith("    ")
        if indented and not inside and out and not out[-1].strip() and not ITEM.match(before):
            inside = True
            if not before.rstrip().endswith("::"):
                out += ["::", ""]
        elif line.strip() and not indented:
            inside = False
            before = line
        out.append(line.replace("``", "") if inside else _bars(line))
    return out


def _bars(line: str) -> str:
    pieces = LITERAL.split(line)
    return "".join(p if i % 2 else p.replace("|", r"\|") for i, p in enumerate(pieces))


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before napoleon."""
    app.connect("autodoc-process-docstring", _process, priority=300)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
