"""The directive ``missing-atoms TABLE`` sets a table of the missing-atom experiment."""

from __future__ import annotations

from pathlib import Path

import missing_atom_tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

TABLES = {
    "accuracy": missing_atom_tables.accuracy,
    "elements": missing_atom_tables.elements,
    "details": missing_atom_tables.details,
    "several": missing_atom_tables.several,
}


class MissingAtoms(SphinxDirective):
    """One table, from the results under ``experiments/``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the files and set the table."""
        root = Path(self.env.srcdir).parent
        for name in (*missing_atom_tables.NETWORKS, "missing_several"):
            for file in (root / "experiments" / name).glob("results*.json"):
                self.env.note_dependency(str(file))
        try:
            text = TABLES[self.arguments[0]](root)
        except LookupError as error:
            raise ExtensionError(str(error)) from error
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("missing-atoms", MissingAtoms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
