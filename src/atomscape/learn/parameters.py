"""Parts of a model by name: which are frozen, and how fast the others learn.

A part is a name as in ``model.named_parameters()`` or the beginning of one, up to a dot (``encoder``,
``encoder.layers.0``, ``heads.qm9:gap``), or a glob over whole names (``encoder.layers.*.radial.*``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from atomscape.find import suggest
from atomscape.learn.config import Training

MOST_LINES = 40
"""Parts that an error lists one by one."""


def chosen(names: Iterable[str], part: str) -> list[str]:
    """Names that belong to a part."""
    return [n for n in names if n == part or n.startswith(f"{part}.") or fnmatchcase(n, part)]


def named(module: nn.Module, part: str, asked_by: str) -> list[str]:
    """Names of the parameters of a part.

    Raises
    ------
    ValueError
        There is no such part; the message lists what there is.
    """
    shapes = {name: p.shape for name, p in module.named_parameters()}
    found = chosen(shapes, part)
    if not found:
        parts = _parts(shapes)
        raise ValueError(
            f"{asked_by}: no parameter is called {part!r}{suggest(part, list(parts))} There are:\n"
            + "\n".join(f"  {name}  ({n:,} numbers)" for name, n in list(parts.items())[:MOST_LINES])
        )
    return found


def _parts(shapes: Mapping[str, torch.Size]) -> dict[str, int]:
    """Beginnings of names of up to three words, and how many numbers each holds."""
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        words = name.split(".")
        for depth in range(1, min(len(words), 3) + 1):
            part = ".".join(words[:depth])
            sizes[part] = sizes.get(part, 0) + shape.numel()
    return dict(sorted(sizes.items()))


def freeze(model: nn.Module, parts: Sequence[str]) -> None:
    """Let some parts stay as they are: no gradient, and no place in an optimiser that would let them decay.

    Raises
    ------
    ValueError
        There is no such part, or nothing would be left to train.
    """
    parameters = dict(model.named_parameters())
    for part in parts:
        for name in named(model, part, "training.freeze"):
            parameters[name].requires_grad_(False)
    if not any(p.requires_grad for p in parameters.values()):
        raise ValueError(f"training.freeze: {', '.join(parts)} is everything there is; leave some to train")


def optimiser_for(model: nn.Module, weighting: nn.Module, t: Training) -> torch.optim.AdamW:
    """AdamW on what is not frozen, with a group for each multiple of the learning rate.

    What the weighting of the terms learns is a group of its own, which does not decay.

    Raises
    ------
    ValueError
        A learning rate is given for a part that does not exist, or of which all is frozen.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    factor = dict.fromkeys(trained, 1.0)
    for part, times in t.learning_rates.items():
        mine = [n for n in named(model, part, "training.learning_rates") if n in trained]
        if not mine:
            raise ValueError(f"training.learning_rates: all of {part!r} is frozen; leave it out")
        factor |= dict.fromkeys(mine, times)
    groups = [
        {"params": [p for n, p in trained.items() if factor[n] == times], "factor": times}
        for times in dict.fromkeys(factor.values())
    ]
    learned = list(weighting.parameters())
    if learned:
        groups.append({"params": learned, "factor": t.weighting.rate, "weight_decay": 0.0})
    return torch.optim.AdamW(
        groups, lr=t.learning_rate, betas=t.betas, weight_decay=t.weight_decay, fused=True
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give each group the learning rate times its factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def training_lines(model: nn.Module, t: Training) -> list[str]:
    """What is trained and how fast, where it is not simply everything: for people."""
    parameters = dict(model.named_parameters())
    trained = sum(p.numel() for p in parameters.values() if p.requires_grad)
    total = sum(p.numel() for p in parameters.values())
    lines = []
    low_rank = [n for n in parameters if n.endswith(".original")]
    if low_rank and t.lora is not None:
        lines.append(f"low rank: {len(low_rank)} parameters with an update of rank {t.lora.rank}")
    if trained < total:
        names = _frozen(parameters)
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        lines.append(f"trained: {trained:,} of {total:,} numbers; frozen: {', '.join(names[:8])}{more}")
    rates = ", ".join(f"{part} × {times:g}" for part, times in t.learning_rates.items())
    return lines + ([f"learning rates: {rates}, the rest × 1"] if rates else [])


def _frozen(parameters: Mapping[str, nn.Parameter]) -> list[str]:
    """Frozen parameters by the largest parts of which all is frozen."""
    still, names = {n for n, p in parameters.items() if not p.requires_grad}, []
    for part in _parts({n: p.shape for n, p in parameters.items()}):
        mine = chosen(parameters, part)
        if set(mine) <= still and not any(part.startswith(f"{known}.") for known in names):
            names.append(part)
    covered = {n for part in names for n in chosen(parameters, part)}
    return [*names, *sorted(still - covered)]
