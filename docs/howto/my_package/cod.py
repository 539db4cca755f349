"""Crystallography Open Database: measured crystal structures, from its OPTIMADE service."""

from atomscape.data.card import Card, records
from atomscape.data.optimade import optimade, optimade_rows
from atomscape.data.pages import collect, entries_of, page_files
from atomscape.data.rows import batched
from atomscape.data.source import no_splits

BASE = "https://www.crystallography.net/cod/optimade/v1"

card = Card(
    name="cod",
    title="Crystallography Open Database",
    description="Measured crystals without disorder. The files state no energies.",
    licence="CC0-1.0",
    citation="S. Gražulis et al., Nucleic Acids Res. 40, D420 (2012)",
    level_of_theory="experiment",
    url="https://www.crystallography.net/cod",
    properties=records(),
    verified="on hand-made answers",
)
splits = no_splits
inputs = page_files


def service():
    """Pages of a hundred structures; too many to be asked for without a limit or a filter."""
    return optimade(BASE, whole=False)


def download(folder, query, asking):
    """Ask for the entries of a query and keep the answers."""
    collect(folder, service(), query, asking)


def read(folder):
    """Structures of the answers kept."""
    rows = optimade_rows(entries_of(folder, service().entries), labels=lambda attributes: {})
    return batched(rows, card.properties)
