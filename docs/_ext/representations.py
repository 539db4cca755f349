"""The directive ``representations`` sets a table of fixed representations, from the file that a run wrote."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from representation_tables import FILE, TABLES, read
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class Representations(SphinxDirective):
    """One table, named by the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the file and set the table."""
        root = Path(self.env.srcdir).parent
        self.env.note_dependency(str(root / FILE))
        try:
            return self.parse_text_to_nodes(TABLES[self.arguments[0]](read(root)))
        except LookupError as error:
            raise ExtensionError(str(error)) from error


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("representations", Representations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
