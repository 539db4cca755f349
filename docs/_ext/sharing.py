"""The directive ``sharing`` sets a table of what sharing an encoder costs or gains, from the runs' files."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sharing_tables import FOLDER, TABLES, read
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class Sharing(SphinxDirective):
    """One table, named by the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the files and set the table."""
        root = Path(self.env.srcdir).parent
        for file in (root / FOLDER).glob("*.json"):
            self.env.note_dependency(str(file))
        try:
            return self.parse_text_to_nodes(TABLES[self.arguments[0]](read(root)))
        except LookupError as error:
            raise ExtensionError(str(error)) from error


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("sharing", Sharing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
