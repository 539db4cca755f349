"""The directive ``{speed} QUESTION`` shows what was measured, or says which command measures it.

With ``:contains: 1 thread`` it takes the cases that contain this text, and leaves it out of their names.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from speed_tables import markdown, missing, picture, read
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class SpeedOf(SphinxDirective):
    """A picture of ratios and a table, of the cases that contain a text."""

    required_arguments = 1
    option_spec = {"contains": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Read the file and set picture and table."""
        file = Path(self.env.srcdir).parent / "benchmarks" / "results.jsonl"
        self.env.note_dependency(str(file))
        question, contains = self.arguments[0], self.options.get("contains", "")
        speed = read(file, question, contains)
        if not speed.comparisons:
            return self.parse_text_to_nodes(missing(question))
        label = f"Ratios of {question} {contains}".strip()
        drawn = f'<figure role="img" aria-label="{label}">{picture(speed, contains)}</figure>'
        return [nodes.raw("", drawn, format="html"), *self.parse_text_to_nodes(markdown(speed, contains))]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("speed", SpeedOf)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
