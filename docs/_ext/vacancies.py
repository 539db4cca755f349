"""The directive ``vacancies EXPERIMENT TABLE`` sets a table of vacancies in crystals."""

from __future__ import annotations

from pathlib import Path

import vacancy_tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class Vacancies(SphinxDirective):
    """One table, from the results under ``experiments/``."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Read the file and set the table."""
        root, (name, table) = Path(self.env.srcdir).parent, self.arguments
        self.env.note_dependency(str(root / "experiments" / name / "results.json"))
        try:
            text = vacancy_tables.TABLES[table](root, name)
        except LookupError as error:
            raise ExtensionError(str(error)) from error
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("vacancies", Vacancies)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
