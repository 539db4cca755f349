"""The directive ``tenfold`` says how far training on forces is from ten times the speed of e3nn."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tenfold_text import text


class Tenfold(SphinxDirective):
    """One paragraph."""

    def run(self) -> list[nodes.Node]:
        """Read the file and write the paragraph."""
        file = Path(self.env.srcdir).parent / "benchmarks" / "results.jsonl"
        self.env.note_dependency(str(file))
        return self.parse_text_to_nodes(text(file))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("tenfold", Tenfold)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
