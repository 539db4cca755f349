"""The directives ``audits`` (of files, of sources, by tolerance) and ``checks``: what was found and asked."""

from __future__ import annotations

from pathlib import Path

from audit_tables import by_tolerance, checks, found, results
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class _Table(SphinxDirective):
    """A table from the results; a missing file stops the build."""

    def content_of(self) -> dict:
        """The results."""
        file = Path(self.env.srcdir).parent / "experiments" / "audit" / "results.json"
        self.env.note_dependency(str(file))
        try:
            return results(file)
        except LookupError as error:
            raise ExtensionError(str(error)) from error


class Audits(_Table):
    """What was found in files as they are published (``file``), in named sources, or for each tolerance."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Set the table."""
        kind, content = self.arguments[0], self.content_of()
        return self.parse_text_to_nodes(
            by_tolerance(content) if kind == "tolerance" else found(content, kind)
        )


class Checks(_Table):
    """All checks."""

    def run(self) -> list[nodes.Node]:
        """Ask the plug-ins."""
        self.env.note_reread()
        return self.parse_text_to_nodes(checks(self.content_of()))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("audits", Audits)
    app.add_directive("checks", Checks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
