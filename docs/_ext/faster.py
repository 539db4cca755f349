"""The directive ``faster`` sets a text, a table or the picture of error beside time, from the run's file."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from faster_tables import FILE, TEXTS, picture, read
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class Faster(SphinxDirective):
    """One part, named by the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the file and set the part."""
        root = Path(self.env.srcdir).parent
        self.env.note_dependency(str(root / FILE))
        try:
            results = read(root)
        except LookupError as error:
            raise ExtensionError(str(error)) from error
        if self.arguments[0] != "picture":
            return self.parse_text_to_nodes(TEXTS[self.arguments[0]](results))
        label = "Mean absolute error over CPU seconds per molecule"
        drawn = f'<figure role="img" aria-label="{label}">{picture(results)}</figure>'
        return [nodes.raw("", drawn, format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("faster", Faster)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
