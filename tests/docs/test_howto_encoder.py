"""The encoder of the page "Add an encoder" keeps the laws and can be found."""

from __future__ import annotations

# --8<-- shown
import pytest
import torch
from my_package import density

from atomscape.testing import cases, laws


def small():
    """Make a small encoder with random weights in float64."""
    torch.manual_seed(0)
    return density.build(density.Config(channels=8, cutoff=4.0)).double()


@pytest.mark.parametrize("case", cases.everything)
def test_symmetries(case):
    """Each law returns its largest error, or raises an error that says where it fails."""
    structures = cases.everything[case]()
    assert laws.check_rotation(small(), structures, case=case) <= 1e-9
    assert laws.check_reflection(small(), structures, case=case) <= 1e-9
    assert laws.check_permutation(small(), structures, case=case) <= 1e-9


@pytest.mark.parametrize("case", cases.periodic)
def test_symmetries_of_crystals(case):
    """The same crystal, described in another way."""
    structures = cases.periodic[case]()
    assert laws.check_supercell(small(), structures, case=case) <= 1e-9
    assert laws.check_unimodular_cell(small(), structures, case=case) <= 1e-9
    assert laws.check_lattice_translation(small(), structures, case=case) <= 1e-9


def test_smooth_at_the_cutoff():
    """No jump in features or forces when an atom crosses the cutoff."""
    assert laws.check_cutoff_continuity(small()) <= 1e-4


# --8<-- end


def test_program_laws():
    """As a program: layers as asked, every block alive, precision kept, same seed same weights."""
    ethanol = cases.ethanol()
    assert laws.check_layers(small(), ethanol) == 0
    assert laws.check_alive(small(), ethanol) > 0
    assert laws.check_single_precision(small(), ethanol) < 1e-3
    assert laws.check_same_twice(small, ethanol) == 0


@pytest.mark.parametrize("case", ["fcc", "rattled_rocksalt", "mixed_batch"])
def test_forces(case):
    """Forces and virial are derivatives, on a perfect crystal too."""
    assert laws.check_finite_difference(small(), cases.everything[case](), case=case) < 1e-5


def test_found_by_dotted_path():
    """A dotted path is a name."""
    from atomscape.find import find

    assert find("encoders", "my_package.density") is density
