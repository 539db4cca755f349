"""The directive ``alignment EXPERIMENT TABLE`` sets a table of these experiments, or their picture."""

from __future__ import annotations

from pathlib import Path

import alignment_tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class Alignment(SphinxDirective):
    """One table, or with ``picture`` the heat map, from the results under ``experiments/``."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Read the file and set what is asked for."""
        root, (name, table) = Path(self.env.srcdir).parent, self.arguments
        self.env.note_dependency(str(root / "experiments" / name / "results.json"))
        try:
            found = alignment_tables.results(root, name)
        except LookupError as error:
            raise ExtensionError(str(error)) from error
        if table == "picture":
            drawn = (
                f'<figure role="img" aria-label="Gains of {name}">{alignment_tables.picture(found)}</figure>'
            )
            return [nodes.raw("", drawn, format="html")]
        return self.parse_text_to_nodes(alignment_tables.TABLES[table](found))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("alignment", Alignment)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
