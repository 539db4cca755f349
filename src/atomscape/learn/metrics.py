"""MAE and RMSE with units, over known values only, summed in float64 batch by batch.

Extensive properties have two rows: per structure and per atom. Vectors and tensors count every component.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import nan, sqrt

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.learn.machines.ranks import Ranks
from atomscape.learn.objectives import OwnLoss, masked_error, rows_of
from atomscape.shapes import Int, Tensor
from atomscape.units import DEBYE

SHOWN = {
    "eV": (1e3, "meV"),
    "eV/atom": (1e3, "meV/atom"),
    "eV/Å": (1e3, "meV/Å"),
    "eV/Å³": (1e3, "meV/Å³"),
    "eV/K": (1e3, "meV/K"),
    "e·Å": (1 / DEBYE, "D"),
}
"""Unit kept → factor and unit printed."""


@dataclass(frozen=True)
class Metric:
    """Errors of one property on one dataset, in the property's own unit (per atom where the unit says so)."""

    dataset: str
    property: str
    unit: str
    mae: float
    rmse: float
    count: int

    def as_dict(self) -> dict:
        """Plain data."""
        return asdict(self)


def shown(value: float, unit: str) -> tuple[float, str]:
    """Value and unit as printed: meV for eV, debye for e·Å."""
    factor, name = SHOWN.get(unit, (1.0, unit))
    return value * factor, name


class Errors:
    """Sums of |error| and error² per (dataset, property, per atom or not).

    ``own`` are heads that judge their output themselves, by (dataset, property).
    """

    def __init__(
        self,
        datasets: Iterable[str],
        properties: Iterable[Property],
        own: Mapping[tuple[int, str], OwnLoss] | None = None,
    ):
        self.datasets, self.properties = tuple(datasets), tuple(properties)
        self.own = dict(own or {})
        self._sums: dict[tuple[int, str, bool], list[float]] = {}

    def add(
        self,
        predictions: dict[str, Tensor],
        structures: Structures,
        dataset: Int[Tensor, " structures"],
        graph: Graph | None = None,
    ) -> None:
        """Take in a batch; rows whose label is NaN are left out. Heads in ``own`` need the graph."""
        judged = {name for _, name in self.own}
        for d in range(len(self.datasets)):
            mine = dataset == d
            if not bool(mine.any()):
                continue
            for p in self.properties:
                head = self.own.get((d, p.name))
                if head is not None and graph is not None and p.name in predictions:
                    error = head.errors(predictions[p.name].detach(), graph).double()
                    self._add((d, p.name, False), error[mine & error.isfinite()])
                    continue
                target = structures.labels.get(p.name)
                if target is None or p.name not in predictions or p.name in judged:
                    continue  # of a dataset without the head, what it judges is no number
                error, known = masked_error(
                    p, predictions[p.name].detach().double(), target.double(), structures
                )
                known = known & rows_of(p, mine, structures).view(-1, *[1] * (known.dim() - 1))
                if p.extensive and p.per == "structure":
                    self._add((d, p.name, True), error[known])
                    error = error * structures.counts.view(-1, *[1] * (error.dim() - 1))
                self._add((d, p.name, False), error[known])

    def _add(self, key: tuple[int, str, bool], error: Tensor) -> None:
        s = self._sums.setdefault(key, [0.0, 0.0, 0.0])
        s[0] += float(error.abs().sum())
        s[1] += float(error.square().sum())
        s[2] += error.numel()

    def add_up(self, ranks: Ranks) -> None:
        """Take in what the other processes have summed; all then hold the same."""
        mine, self._sums = self._sums, {}
        for theirs in ranks.gathered(mine):
            for key, sums in theirs.items():
                total = self._sums.setdefault(key, [0.0, 0.0, 0.0])
                total[:] = [a + b for a, b in zip(total, sums, strict=True)]

    def metrics(self) -> list[Metric]:
        """One row per (dataset, property), two for extensive ones; only where labels were known."""
        units = {p.name: p.unit for p in self.properties}
        units |= {name: head.error_unit for (_, name), head in self.own.items()}
        rows = []
        for (d, name, per_atom), (absolute, square, n) in sorted(self._sums.items()):
            if n:
                unit = units[name] + ("/atom" if per_atom else "")
                rows.append(Metric(self.datasets[d], name, unit, absolute / n, sqrt(square / n), int(n)))
        return rows


def find_metric(metrics: Iterable[Metric], like: Metric) -> Metric:
    """Row of the same dataset, property and unit; NaN errors if there is none."""
    key = (like.dataset, like.property, like.unit)
    for m in metrics:
        if (m.dataset, m.property, m.unit) == key:
            return m
    return Metric(*key, nan, nan, 0)
