"""The directive ``physics WHAT CASE…`` sets what trained potentials say of matter: a table or a picture."""

from __future__ import annotations

from pathlib import Path

import physics_tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class Physics(SphinxDirective):
    """``constants``, ``bands`` or ``checks`` of the cases named."""

    required_arguments, optional_arguments = 1, 3

    def run(self) -> list[nodes.Node]:
        """Read the files and set what is asked for."""
        root, (what, *cases) = Path(self.env.srcdir).parent, self.arguments
        for case in cases:
            self.env.note_dependency(str(root / physics_tables.FOLDER / f"{case}.json"))
        try:
            found = [physics_tables.read(root, case) for case in cases]
        except LookupError as error:
            raise ExtensionError(str(error)) from error
        if what == "bands":
            drawn = f'<figure role="img" aria-label="Phonon bands">{physics_tables.bands(*found)}</figure>'
            return [nodes.raw("", drawn, format="html")]
        table = {"constants": physics_tables.constants, "checks": physics_tables.checks}[what]
        return self.parse_text_to_nodes(table(*found))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("physics", Physics)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
