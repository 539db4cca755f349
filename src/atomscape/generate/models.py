"""Models that come with the package, and which of them can complete a structure."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from ase.data import chemical_symbols

from atomscape.atoms.structures import Structures
from atomscape.find import suggest
from atomscape.learn.checkpoint import load_model
from atomscape.learn.model import Model


def shipped() -> dict[str, Path]:
    """Name → file of each model that comes with atomscape."""
    folder = Path(str(resources.files("atomscape").joinpath("models")))
    return {f.stem: f for f in sorted(folder.glob("*.safetensors"))}


def completion_model(what: str | None, structure: Structures) -> tuple[Model, str]:
    """The model asked for, or the one that comes with atomscape and fits the structure; and its name.

    Raises
    ------
    ValueError
        No such model, one that does not complete structures, or none that was trained on the structure's
        elements.
    """
    known = shipped()
    elements = {chemical_symbols[z] for z in structure.numbers.unique().tolist()}
    if what is not None:
        if not Path(what).exists() and what not in known:
            raise ValueError(
                f"{what!r} is no run, no model file and no model that comes with atomscape"
                f"{suggest(what, list(known))} Models: {', '.join(known)}."
            )
        model = load_model(known.get(what, Path(what)))
        _refuse_others(model, what)
        return model, what
    kind = "crystals" if bool(structure.pbc.any()) else "molecules"
    offers = []
    for name, path in known.items():
        model = load_model(path)
        trained = list(model.about.get("elements", ()))
        of = "crystals" if model.about.get("periodic") else "molecules"
        if of == kind and elements <= set(trained):
            return model, name
        offers.append(f"{name} ({of} of {', '.join(trained)})")
    have = "; ".join(offers) or "none"
    raise ValueError(
        f"no model that comes with atomscape was trained on {kind} of {', '.join(sorted(elements))}; there "
        f"is {have}. Train one on structures like yours (experiments/missing_atom has the settings) and name "
        "it with --model, or name one of these for a molecule in a box"
    )


def strangers(model: Model, structure: Structures) -> list[str]:
    """What has to be said where a structure holds elements that the model was not trained on."""
    trained = {s for head in model.heads.values() for s in getattr(head, "symbols", ())}
    there = {chemical_symbols[z] for z in structure.numbers.unique().tolist()}
    if not trained or there <= trained:
        return []
    others = ", ".join(sorted(there - trained))
    return [
        f"note: the model was trained on {', '.join(sorted(trained))}; what it makes of {others} is a guess"
    ]


def _refuse_others(model: Model, name: str) -> None:
    if "missing_atoms" not in model.properties:
        raise ValueError(
            f"{name} predicts {', '.join(model.properties)}; it was not trained on missing_atoms"
        )
