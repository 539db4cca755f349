"""Mixtures: how many structures of each dataset an epoch draws, and which.

With ``n_i`` structures in dataset i, it gets the share

    p_i ∝ n_i^(1/T)          T = 1: as large as it is;  T → ∞: all alike           (temperature)
    p_i ∝ w_i                                                                      (weights)

An epoch is a fixed number of draws, of which dataset i has the same number q_i every time. A dataset is drawn
without replacement, pass after pass: epoch e takes the places e·q_i … (e+1)·q_i of an endless line of
permutations, so that after any number of epochs two structures of one dataset were seen equally often to
within one. The line depends on the seed and the dataset's name alone, the order of an epoch on
(seed, epoch, names): nothing has to be remembered to resume, and other datasets change nothing in it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Mixture:
    """``members``: places of each dataset in the list drawn from; ``draws``: how many an epoch takes."""

    members: Mapping[str, np.ndarray]
    draws: Mapping[str, int]
    seed: int

    @property
    def size(self) -> int:
        """Structures of an epoch."""
        return sum(self.draws.values())

    @property
    def passes(self) -> dict[str, float]:
        """How many passes over each dataset an epoch makes."""
        return {name: q / len(self.members[name]) for name, q in self.draws.items()}

    def order(self, epoch: int) -> np.ndarray:
        """Places drawn in an epoch, datasets mixed; a place can come more than once."""
        drawn = [self._drawn(name, epoch * q, (epoch + 1) * q) for name, q in self.draws.items()]
        rng = np.random.default_rng((self.seed, epoch, _number("/".join(self.draws))))
        return rng.permutation(np.concatenate(drawn))

    def _drawn(self, name: str, start: int, stop: int) -> np.ndarray:
        """Places ``start … stop`` of the endless line of one dataset."""
        places = self.members[name]
        n = len(places)
        first, last = start // n, -(-stop // n)
        line = [
            np.random.default_rng((self.seed, _number(name), turn)).permutation(places)
            for turn in range(first, last)
        ]
        return np.concatenate(line)[start - first * n : stop - first * n]


def mixture(
    members: Mapping[str, np.ndarray],
    size: int,
    seed: int,
    temperature: float | None = None,
    weights: Mapping[str, float] | None = None,
) -> Mixture:
    """Share out ``size`` draws among datasets, by temperature (1 if not given) or by weights.

    Raises
    ------
    ValueError
        Both are given, one is not positive, or a dataset would never be drawn.
    """
    if temperature is not None and weights is not None:
        raise ValueError("datasets are sampled by temperature or by weights; give one of them")
    if weights is not None and weights.keys() != members.keys():
        raise ValueError(f"weights for {list(weights)}, datasets {list(members)}; give one for each")
    amounts = np.array([len(m) for m in members.values()], dtype=float)
    power = 1.0 if temperature is None else 1.0 / temperature
    share = amounts**power if weights is None else np.array([weights[name] for name in members])
    if not (np.isfinite(share).all() and (share > 0).all() and power > 0):
        raise ValueError("temperature and weights are positive numbers, and no dataset is empty")
    draws = dict(zip(members, apportion(share / share.sum(), size).tolist(), strict=True))
    if never := [name for name, q in draws.items() if q == 0]:
        raise ValueError(
            f"{', '.join(never)} would never be drawn among the {size} structures of an epoch; draw more"
        )
    return Mixture(members, draws, seed)


def apportion(shares: Sequence[float] | np.ndarray, size: int) -> np.ndarray:
    """Whole numbers that sum to ``size``, nearest to the shares (method of largest remainders)."""
    exact = np.asarray(shares) * size
    whole = np.floor(exact + 1e-9).astype(np.int64)
    most = np.argsort(-(exact - whole), kind="stable")
    whole[most[: size - int(whole.sum())]] += 1
    return whole


def _number(name: str) -> int:
    return zlib.crc32(name.encode())
