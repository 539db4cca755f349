"""The page of datasets as Markdown, from the cards of all sources: nothing on it is typed by hand."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from atomscape.data.card import Card
from atomscape.data.named import find_source, source_names


def cards() -> list[Card]:
    """Cards of all sources, collections part by part."""
    return [find_source(name).card for name in source_names()]


def markdown(cards: Iterable[Card]) -> str:
    """An overview of all datasets, then a section for each dataset or collection."""
    families = [(base, list(members)) for base, members in groupby(cards, _base)]
    head = ["## Overview", "", "| dataset | what | structures | licence |", "|---|---|---:|---|"]
    rows = [_overview(base, members) for base, members in families]
    sections = [_section(base, members) for base, members in families]
    return "\n".join([*head, *rows, "", *sections])


def _base(card: Card) -> str:
    return card.name.partition(":")[0]


def _overview(base: str, members: list[Card]) -> str:
    parts = [card.name.partition(":")[2] for card in members]
    shown = f"{len(parts)} datasets: {', '.join(parts)}" if parts[0] else members[0].title
    counts = [card.n_structures for card in members]
    total = f"{sum(n for n in counts if n):,}" if all(counts) else ""
    licences = "; ".join(dict.fromkeys(card.licence for card in members))
    return f"| [{base}](#{anchor(base)}) | {_cell(shown)} | {total} | {_cell(licences)} |"


def anchor(base: str) -> str:
    """Name of a section's link target."""
    return f"dataset-{base.replace('_', '-').lower()}"


def _section(base: str, members: list[Card]) -> str:
    lines = [f"({anchor(base)})=", f"## {base}", ""]
    if len(members) == 1 and ":" not in members[0].name:
        card = members[0]
        lines += [f"**{card.title}.** {card.description}", "", *_facts(card)]
        return "\n".join([*lines, f"`atomscape data get {card.name}`" if card.files else "", ""])
    lines += ["| part | structures | labels | level of theory |", "|---|---:|---|---|"]
    for card in members:
        count = f"{card.n_structures:,}" if card.n_structures else ""
        cells = (f"`{card.name}`", count, _labels(card), card.level_of_theory)
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    lines.append("")
    for description, cited in groupby(members, lambda card: (card.description, card.verified)):
        names = ", ".join(f"`{card.name.partition(':')[2]}`" for card in cited)
        lines += [f"{names}\n: {description[0]} *Tried:* {description[1].rstrip('.')}.", ""]
    return "\n".join([*lines, *(f":{name}: {text}" for name, text in _shared(members)), ""])


def _facts(card: Card) -> list[str]:
    facts = [
        ("Structures", f"{card.n_structures:,}" if card.n_structures else ""),
        ("Labels", _labels(card)),
        ("Level of theory", card.level_of_theory),
        ("Tried", card.verified),
        *_shared([card]),
    ]
    return [*(f":{name}: {text}" for name, text in facts if text), ""]


def _shared(members: list[Card]) -> list[tuple[str, str]]:
    """Licence, citation and address of some cards, each said once."""
    columns = {
        "Licence": dict.fromkeys(card.licence for card in members),
        "Cite": dict.fromkeys(card.citation for card in members),
        "From": dict.fromkeys(f"<{card.url}>" for card in members if card.url),
    }
    return [(name, "; ".join(values)) for name, values in columns.items() if values]


def _labels(card: Card) -> str:
    shown = [f"{p.name} [{p.unit}]" if p.unit not in ("", "1") else p.name for p in card.properties]
    return ", ".join(shown)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
