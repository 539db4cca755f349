"""Rows with corrections applied: some edited, some left out. Nothing is changed in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from atomscape.atoms.structures import Structures, chosen_rows
from atomscape.data.check import Correction, Finding
from atomscape.data.examined import Rows


class Corrected:
    """A dataset seen through the corrections of some findings; ``kept`` are the numbers of the rows left.

    Edits come in the order of the findings.
    """

    def __init__(self, rows: Rows, findings: Iterable[Finding]):
        self._rows = rows
        self.applied: list[Correction] = []
        self._edits: list[tuple[np.ndarray, Correction]] = []
        self._unwanted: list[tuple[np.ndarray, str]] = []
        keep = np.ones(len(rows), dtype=bool)
        for finding in findings:
            correction = finding.correction
            if correction is None:
                continue
            where = np.zeros(len(rows), dtype=bool)
            where[list(finding.rows if correction.rows is None else correction.rows)] = True
            self.applied.append(correction)
            if correction.part:
                self._unwanted.append((where, correction.part))
            elif correction.edit is None:
                keep &= ~where
            else:
                self._edits.append((where, correction))
        self.kept = np.flatnonzero(keep)

    def __len__(self) -> int:
        """Return the number of rows left."""
        return len(self.kept)

    def __getitem__(self, index) -> Structures:
        """Gather corrected structures by their numbers among the rows left."""
        import torch

        rows = self.kept[chosen_rows(index, len(self), torch.device("cpu")).numpy()]
        s = self._rows[rows]
        for where, correction in self._edits:
            here = where[rows]
            if here.all() and len(rows) and correction.edit is not None:
                s = correction.edit(s)
            elif here.any() and correction.edit is not None:
                edited = correction.edit(s[np.flatnonzero(here)])
                order = np.argsort(np.r_[np.flatnonzero(here), np.flatnonzero(~here)])
                s = Structures.concatenate([edited, s[np.flatnonzero(~here)]])[order]
        return s

    def splits(self, splits: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Splits in the numbers of the rows left, without what corrections leave out of a part."""
        new = np.full(len(self._rows), -1)
        new[self.kept] = np.arange(len(self.kept))
        found = {name: np.asarray(rows) for name, rows in splits.items()}
        for where, part in self._unwanted:
            found[part] = found[part][~where[found[part]]]
        return {name: new[rows][new[rows] >= 0] for name, rows in found.items()}
