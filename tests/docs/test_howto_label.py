"""The method of the page "Label structures" keeps the laws, refuses what it cannot do, and labels."""

from __future__ import annotations

# --8<-- shown
import pytest
from ase.build import fcc111
from my_package import medium

from atomscape.atoms.ase import from_ase
from atomscape.testing import label_laws


def slab():
    """A copper surface with displaced atoms."""
    atoms = fcc111("Cu", (2, 2, 3), vacuum=6.0)
    atoms.rattle(0.05, seed=0)
    return from_ase(atoms)


@pytest.mark.parametrize("change", ["rotation", "reflection", "translation", "permutation"])
def test_labels_follow_the_structure(change):
    """Turned structures have turned forces."""
    assert label_laws.check_follows(medium.build(medium.Config()), change, slab()) <= 1e-8


def test_forces():
    """They are slopes of the energy."""
    assert label_laws.check_forces(medium.build(medium.Config()), slab()) <= 1e-4


# --8<-- end


def test_what_it_does_not_know():
    """Elements without parameters have no labels, with the reason that the calculator gives."""
    from atomscape.label.label import label
    from atomscape.testing import cases

    made, reasons = label(medium.build(medium.Config()), cases.everything["mixed_batch"]())
    assert made.labels["energy"].isnan().sum() == len(reasons) > 0
    assert any("No EMT-potential for" in why for why in reasons.values())


def test_it_labels_by_its_dotted_path(tmp_path):
    """A dataset, by name of the module."""
    import numpy as np

    from atomscape.data.card import Card
    from atomscape.data.store import Store, write_store
    from atomscape.label.dataset import label_dataset

    store = write_store(tmp_path / "slabs", [slab()], Card(name="slabs"))
    done = label_dataset("my_package.medium", medium.Config(), store, tmp_path / "out")
    made = Store.open(done.path)
    assert made.card.level_of_theory == "effective medium theory"
    assert np.isfinite(made.values("forces")).all()
