"""ES modules joined into one script, so that a page opened as a file needs no server and no bundler.

Browsers refuse to import modules from ``file://``. Each module here becomes a function that returns what it
exports, in the order of their imports; ``import`` and ``export`` are the only words that change. Only the
plain forms are understood, and anything else is refused:

    import { a, b as c } from "./x.js";     import * as x from "./x.js";
    export function f…   export async function f…   export const c…   export class C…
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import\s+(\*\s+as\s+\w+|\{[^}]*\})\s+from\s+"\./([\w-]+)\.js";[ \t]*$', re.MULTILINE)
_EXPORT = re.compile(r"^export\s+((?:async\s+)?function|const|class)\s+(\w+)", re.MULTILINE)
_LEFT_OVER = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)


def inline_modules(sources: Mapping[str, str], entry: str) -> str:
    """Return one classic script that runs module ``entry`` and all that it imports.

    Parameters
    ----------
    sources
        Module name (without ``.js``) → source.

    Raises
    ------
    ValueError
        A module is missing, imports itself through others, or uses a form not understood here.
    """
    order: list[str] = []
    _visit(entry, sources, order, ())
    body = "\n".join(_wrapped(name, sources[name]) for name in order)
    script = f'"use strict";\nconst modules = {{}};\n{body}\n'
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _visit(name: str, sources: Mapping[str, str], order: list[str], path: tuple[str, ...]) -> None:
    if name in path:
        raise ValueError(f"modules import one another in a circle: {' → '.join((*path, name))}")
    if name not in sources:
        raise ValueError(
            f"module {name!r} imported by {path[-1:] or 'the page'} is not there; have {sorted(sources)}"
        )
    if name in order:
        return
    for match in _IMPORT.finditer(sources[name]):
        _visit(match[2], sources, order, (*path, name))
    order.append(name)


def _wrapped(name: str, source: str) -> str:
    exports = [m[2] for m in _EXPORT.finditer(source)]
    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(_binding, source))
    if left := _LEFT_OVER.search(body):
        raise ValueError(f"{name}.js: cannot inline {left[0]!r}; see atomscape.web.inlining for the forms")
    return f'modules["{name}"] = (() => {{\n{body.strip()}\nreturn {{ {", ".join(exports)} }};\n}})();\n'


def _binding(match: re.Match[str]) -> str:
    names = re.sub(r"(\w+)\s+as\s+(\w+)", r"\1: \2", match[1])
    target = match[1].split()[-1] if match[1].startswith("*") else " ".join(names.split())
    return f'const {target} = modules["{match[2]}"];'
