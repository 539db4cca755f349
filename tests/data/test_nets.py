"""Nets: one node and one edge of each kind give all of the cell; coordination is as the files state."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.cgd import read_cgd
from atomscape.data.sources import nets

pytest.importorskip("spglib")

DIA = """CRYSTAL
  NAME dia
  GROUP Fd-3m:2
  CELL 2.30940 2.30940 2.30940 90.0000 90.0000 90.0000
  NODE 1 4  0.12500 0.12500 0.62500
  EDGE  0.12500 0.12500 0.62500   0.37500 0.37500 0.37500
# EDGE_CENTER  0.25000 0.25000 0.50000
END
"""
PCU = """CRYSTAL
  NAME pcu
  GROUP Pm-3m
  CELL 1.0 1.0 1.0 90.0 90.0 90.0
  NODE 1 6  0.0 0.0 0.0
  EDGE  0.0 0.0 0.0   0.0 0.0 1.0
END
"""


def test_diamond_and_the_cubic_net() -> None:
    dia, pcu = read_cgd(DIA), read_cgd(PCU)
    assert (len(dia.nodes), dia.space_group, dia.degrees.tolist()) == (8, 227, [4] * 8)
    assert (len(pcu.nodes), pcu.space_group, pcu.degrees.tolist()) == (1, 221, [6])
    np.testing.assert_allclose(dia.length, 1.0, atol=1e-4)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  EDGE ", "# EDGE ", "it has no EDGE"),
        ("Fd-3m:2", "opm", "no space group is called 'opm'"),
        ("2.30940 2.30940 2.30940 90.0000 90.0000 90.0000", "2.3 2.3 90.0", "has 3 parameters"),
        ("0.37500 0.37500 0.37500", "0.40000 0.30000 0.37500", "ends where no node is"),
    ],
)
def test_what_is_not_read(old, new, message) -> None:
    assert old in DIA
    with pytest.raises(ValueError, match=message):
        read_cgd(DIA.replace(old, new))


def test_source(tmp_path) -> None:
    assert nets.inputs(tmp_path) == []
    with zipfile.ZipFile(tmp_path / nets.FILE, "w") as file:
        for name, text in {"dia": DIA, "pcu": PCU, "bad": DIA.replace("1 4 ", "1 5 "), "list": ""}.items():
            file.writestr(f"{name}.cgd" if name != "list" else "list.txt", text)
    s = Structures.concatenate(nets.read(tmp_path))
    assert s.ids == ("dia", "pcu")
    assert s.labels["coordination"].tolist() == [4.0] * 8 + [6.0]
    assert list(nets.left_out(tmp_path)) == ["bad"]
    diamond = s[0]
    apart = torch.cdist(diamond.positions, diamond.positions)
    assert float(apart[apart > 1e-6].min()) == pytest.approx(1.54, abs=1e-3)


@pytest.mark.real
def test_real_nets(real_data) -> None:
    """A tenth of the nets; in all but three of the 2,400 edges and coordination agree."""
    path = real_data("nets") / nets.FILE
    found = list(nets.each_net(path, r"(?P<id>[ab][^/]*)\.cgd"))
    kept = [x for x in found if isinstance(x, Structures)]
    assert len(kept) == len(found) > 150
    s = Structures.concatenate(kept)
    assert set(s.labels["coordination"].unique().tolist()) >= {3.0, 4.0, 6.0}
    assert {int(g) for g in s.labels["space_group"]} <= set(range(1, 231))
    bcu = s[s.ids.index("bcu")]
    assert bcu.labels["coordination"].tolist() == [8.0, 8.0]
    assert int(bcu.labels["space_group"]) == 229
