"""What encoder and heads take from the training part before they are made: neighbours and elements."""

from __future__ import annotations

from ase.data import chemical_symbols

from atomscape.learn.architecture import Architecture
from atomscape.learn.config import PlugIn
from atomscape.learn.graphs import GraphSet


def measured(architecture: Architecture, graphs: GraphSet) -> Architecture:
    """An encoder that divides by the average number of neighbours gets that of the training part.

    Heads that ask for the elements get those of the training part.
    """
    present = elements_of(graphs)
    heads = tuple(
        h.model_copy(update={"head": PlugIn(kind=h.head.kind, **h.head.options | {"elements": present})})
        if h.head.options.get("elements", present) is None
        else h
        for h in architecture.heads
    )
    architecture = architecture.model_copy(update={"heads": heads})
    options = architecture.encoder.options
    if "average_neighbours" not in options or options["average_neighbours"] is not None:
        return architecture
    options |= {"average_neighbours": round(max(graphs.average_neighbours, 1.0), 3)}
    return architecture.model_copy(update={"encoder": PlugIn(kind=architecture.encoder.kind, **options)})


def elements_of(graphs: GraphSet) -> list[str]:
    """Symbols of the elements of a part."""
    return [chemical_symbols[z] for z in graphs.structures.numbers.unique().tolist()]
