"""The directive ``results`` sets the tables that ``results.yaml`` lists.

No number is typed by hand, and a listed file that is missing stops the build.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from result_tables import markdown, tables
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class Results(SphinxDirective):
    """All tables of the list, one after the other."""

    def run(self) -> list[nodes.Node]:
        """Read the files and set the tables."""
        listed = Path(self.env.srcdir) / "results.yaml"
        root = listed.parent.parent
        self.env.note_dependency(str(listed))
        try:
            found = tables(listed)
            text = "\n".join(markdown(t, root) for t in found) or "No run is listed yet."
        except LookupError as error:
            raise ExtensionError(str(error)) from error
        for file in (file for table in found for row in table.rows for file in row["files"]):
            self.env.note_dependency(str(root / file))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("results", Results)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
