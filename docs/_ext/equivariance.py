"""The directive ``equivariance TABLE`` sets a table of what equivariance is worth, or its picture."""

from __future__ import annotations

from pathlib import Path

import equivariance_tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class Equivariance(SphinxDirective):
    """One table, or with ``picture`` the dots and bars, from the runs' files."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the files and set what is asked for."""
        root, table = Path(self.env.srcdir).parent, self.arguments[0]
        for file in (root / equivariance_tables.FOLDER).glob("*.json"):
            self.env.note_dependency(str(file))
        try:
            found = equivariance_tables.read(root)
        except LookupError as error:
            raise ExtensionError(str(error)) from error
        if table == "picture":
            drawn = equivariance_tables.picture(found)
            figure = f'<figure role="img" aria-label="Test errors of both sides">{drawn}</figure>'
            return [nodes.raw("", figure, format="html")]
        return self.parse_text_to_nodes(equivariance_tables.TABLES[table](found))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("equivariance", Equivariance)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
