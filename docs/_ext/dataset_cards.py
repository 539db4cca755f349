"""The directive ``datasets`` sets the page of datasets from the cards of all sources."""

from __future__ import annotations

from dataset_tables import cards, markdown
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Datasets(SphinxDirective):
    """The overview and a section for each dataset or collection."""

    def run(self) -> list[nodes.Node]:
        """Ask the sources and set their cards."""
        self.env.note_reread()
        return self.parse_text_to_nodes(markdown(cards()), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("datasets", Datasets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
