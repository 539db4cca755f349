"""One line per evaluation, short also where many datasets are learned; ``metrics.jsonl`` has every number.

epoch   12  train 0.0213  val 0.0250  MAE gap 41.2 meV  best
epoch   12  train 0.0213  val 0.0250  MAE energy 3.1 (mlearn) … 87 (oc20) meV/atom of 25 datasets  best

Of few errors each is said; of more, where they are smallest and largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from atomscape.learn.metrics import Metric, shown

ONE_BY_ONE = 4
"""Errors, or weights, that are said one by one; of more, the smallest and the largest of each kind."""


def epoch_line(
    epoch: int,
    train: float,
    val: float,
    metrics: Sequence[Metric],
    better: bool,
    weights: Mapping[str, float],
) -> str:
    """Losses, mean absolute errors, whether they are the best so far, and the factors on the terms."""
    parts = [f"epoch {epoch:4d}", f"train {train:.4f}", f"val {val:.4f}", f"MAE {_errors(metrics)}"]
    parts += ["best"] if better else []
    parts += [f"weights {_weights(weights)}"] if weights else []
    return "  ".join(parts)


def _errors(metrics: Sequence[Metric]) -> str:
    many = len({m.dataset for m in metrics}) > 1
    if len(metrics) <= ONE_BY_ONE or not many:
        return "  ".join(_one(m, f"{m.dataset}: " if many else "") for m in metrics)
    kinds: dict[tuple[str, str], list[Metric]] = {}
    for m in metrics:
        kinds.setdefault((m.property, m.unit), []).append(m)
    return "  ".join(_range(several) for several in kinds.values())


def _one(m: Metric, whose: str = "") -> str:
    return "{}{} {:.4g} {}".format(whose, m.property, *shown(m.mae, m.unit))


def _range(several: Sequence[Metric]) -> str:
    """Of one property and unit: the datasets with the smallest and the largest error."""
    low, high = (pick(several, key=lambda m: m.mae) for pick in (min, max))
    if low is high:
        return _one(low, f"{low.dataset}: ")
    (best, unit), (worst, _) = shown(low.mae, low.unit), shown(high.mae, high.unit)
    ends = f"{best:.4g} ({low.dataset}) … {worst:.4g} ({high.dataset}) {unit}"
    return f"{low.property} {ends} of {len(several)} datasets"


def _weights(weights: Mapping[str, float]) -> str:
    if len(weights) <= ONE_BY_ONE:
        return "  ".join(f"{name} {w:.3g}" for name, w in weights.items())
    low, high = (pick(weights, key=lambda name: weights[name]) for pick in (min, max))
    return f"{weights[low]:.3g} ({low}) … {weights[high]:.3g} ({high}) of {len(weights)} terms"
