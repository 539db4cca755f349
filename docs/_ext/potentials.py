"""The directive ``potentials`` sets a table of potentials side by side, from the runs' files."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from potential_tables import FOLDER, PUBLISHED, effort, errors, published, read
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class Potentials(SphinxDirective):
    """One table: of a task, and of ``errors`` or ``effort``."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Read the files and set the table."""
        root, (task, table) = Path(self.env.srcdir).parent, self.arguments
        for file in (*(root / FOLDER).glob("*.json"), root / PUBLISHED):
            self.env.note_dependency(str(file))
        try:
            runs = read(root, task)
        except LookupError as error:
            raise ExtensionError(str(error)) from error
        text = effort(runs) if table == "effort" else errors(runs, published(root).get(task))
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("potentials", Potentials)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
