"""The directive ``run_table NAME`` sets the errors of one experiment, from the file that its run wrote."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from run_tables import line, read, table
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class RunTable(SphinxDirective):
    """One table and a line about the training."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the file and set the table."""
        root, name = Path(self.env.srcdir).parent, self.arguments[0]
        self.env.note_dependency(str(root / "experiments" / name / "results.json"))
        try:
            found = read(root, name)
        except LookupError as error:
            raise ExtensionError(str(error)) from error
        return self.parse_text_to_nodes(f"{table(found)}\n{line(found)}\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("run_table", RunTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
