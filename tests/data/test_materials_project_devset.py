"""The pickled sample of the Materials Project, read without running a pickle."""

from __future__ import annotations

import numpy as np
import pytest

from atomscape.atoms.structures import Structures
from atomscape.data.sources import materials_project_devset


@pytest.mark.real
def test_real_development_set(real_data) -> None:
    pytest.importorskip("lmdb")
    s = Structures.concatenate(materials_project_devset.read(real_data("matsciml_devsets")))
    assert len(s) == 200
    assert bool(s.pbc.all())
    assert s.ids[0] == "mp-devset-0"
    known = s.labels["formation_energy"][~s.labels["formation_energy"].isnan()]
    assert -5 < float(known.min()) < float(known.max()) < 5, "eV per atom, corrected"
    volume_per_atom = (s.volume / s.counts).numpy()
    assert np.all((volume_per_atom > 2) & (volume_per_atom < 200))
    assert set(s.labels) == {"formation_energy", "gap"}


def test_an_empty_folder_holds_none(tmp_path) -> None:
    assert materials_project_devset.inputs(tmp_path) == []
