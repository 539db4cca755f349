"""The summary counts right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import molecule

from atomscape.atoms.ase import from_ase
from atomscape.atoms.describe import describe
from atomscape.atoms.properties import free_property
from atomscape.atoms.structures import Structures
from atomscape.testing import cases

ATOMIC = torch.zeros(119, dtype=torch.float64).index_copy(
    0, torch.tensor([1, 6, 7, 8]), torch.tensor([-13.6, -1030.0, -1485.0, -2042.0]).double()
)


def sound(n: int = 60) -> Structures:
    """Rattled molecules of four elements with plausible energies, and forces that cancel."""
    rng = np.random.default_rng(3)
    names = ["H2O", "CH4", "NH3", "CH3OH", "CO2", "CH3CH2OH", "H2CO", "C6H6", "N2", "HCN"]
    images = [molecule(names[k % len(names)]) for k in range(n)]
    for image in images:
        image.positions += 0.03 * rng.normal(size=image.positions.shape)
    batch = from_ase(images)
    forces = torch.from_numpy(rng.normal(size=(batch.n_atoms, 3)))
    mean = (
        torch.zeros(n, 3, dtype=torch.float64).index_add(0, batch.structure, forces) / batch.counts[:, None]
    )
    energy = torch.zeros(n, dtype=torch.float64).index_add(0, batch.structure, ATOMIC[batch.numbers])
    energy += torch.from_numpy(0.3 * rng.normal(size=n)) - 4.0 * batch.counts
    return batch.with_labels(energy=energy, forces=forces - mean[batch.structure])


def test_counts():
    found = describe(Structures.concatenate([cases.mixed_batch(), cases.fcc()]))
    assert (found.structures, found.atoms) == (9, 35)
    assert found.elements["O"] == 6
    assert found.elements["Cu"] == 1
    assert found.periodic == {"abc": 3, "ac": 1, "c": 1, "none": 4}
    assert found.sizes is not None
    assert (found.sizes.minimum, found.sizes.median, found.sizes.maximum) == (1, 3, 9)


def test_density_and_volume():
    found = describe(cases.fcc())
    assert found.density is not None
    assert found.volume_per_atom is not None
    assert found.density.median == pytest.approx(8.97, abs=0.01)
    assert found.volume_per_atom.median == pytest.approx(3.61**3 / 4)
    assert describe(cases.water()).density is None


def test_labels_have_units_ranges_and_gaps():
    batch = sound(10)
    hardness = torch.tensor([1.0, torch.nan, 3.0, *[2.0] * 7])
    found = describe(
        batch.with_labels(hardness=hardness), {"hardness": free_property("hardness", "structure", "GPa")}
    )
    by_name = {label.property.name: label for label in found.labels}
    assert by_name["energy"].property.unit == "eV"
    assert by_name["forces"].known == batch.n_atoms
    label = by_name["hardness"]
    assert (label.known, label.missing, label.property.unit) == (9, 1, "GPa")
    assert label.range is not None
    assert (label.range.minimum, label.range.median, label.range.maximum) == (1, 2, 3)
    text = str(found)
    assert "hardness [GPa] per structure: 1 … 3 (median 2), 1 missing" in text
    assert "10 structures" in text
