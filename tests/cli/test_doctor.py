"""``atomscape doctor`` names who serves each operation, why others do not, and where kernels are kept."""

from __future__ import annotations

import torch

from atomscape.cli.doctor import asked, kernels
from atomscape.ops.op import REFERENCE, ops


def test_every_operation_with_a_back_end_is_asked():
    """None of those that have a choice is left out, and what declines gives a reason."""
    calls = asked("cpu", torch.float32)
    assert {name for name, op in ops().items() if op.backends} <= {c.op for c in calls}
    for call in calls:
        others = {*ops()[call.op].backends} - {call.chosen}
        assert set(call.declined) == others
        assert all(call.declined.values())
        assert call.chosen in {REFERENCE, *ops()[call.op].backends}


def test_kernels_are_counted(tmp_path, monkeypatch):
    """The cache that is named is the one that is used."""
    monkeypatch.delenv("ATOMSCAPE_KERNELS", raising=False)
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path))
    assert kernels()["kernel cache"] == f"{tmp_path / 'kernels'}: none kept yet"
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "convolution-0.o").write_bytes(bytes(2_000_000))
    assert kernels()["kernel cache"] == f"{tmp_path / 'kernels'}: 1 kept, 2.0 MB"
    assert "bits" in kernels()["processor"]
