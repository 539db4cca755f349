"""The table of confusions, and the share that is right."""

from __future__ import annotations

import torch

from atomscape.learn.confusion import ClassOutputs


def outputs() -> ClassOutputs:
    """Four structures: two of class 0, one of them taken for 2; one of class 1; one of class 2."""
    likeliest, labels = torch.tensor([0, 2, 1, 2]), torch.tensor([0, 0, 1, 2])
    return ClassOutputs(torch.eye(3)[likeliest].log_softmax(1), labels, ("a", "b", "c", "d"))


def test_rows_are_labels_and_columns_predictions():
    assert outputs().confusion().tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]
    assert outputs().right == 75.0


def test_some_of_them():
    some = outputs().of([1, 3])
    assert (some.ids, some.right) == (("b", "d"), 50.0)
