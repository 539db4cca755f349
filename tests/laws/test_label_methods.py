"""Every method of labelling × the laws. One is here by being a file in ``label/methods/``."""

from __future__ import annotations

import pytest

from atomscape.atoms.properties import PROPERTIES
from atomscape.find import available, find
from atomscape.label.method import KIND, Method
from atomscape.testing import cases, label_laws

# Quick, and with everything that can be asked for.
SETTINGS = {"dft_pyscf": {"basis": "6-31G", "forces": True, "grid": 4}}


@pytest.fixture(params=available(KIND))
def method(request) -> Method:
    module = find(KIND, request.param)
    try:
        return module.build(module.Config(**SETTINGS.get(request.param, {})))
    except ImportError as error:
        pytest.skip(str(error))


def test_the_contract(method):
    """It is a method, in the words of the vocabulary, and its settings refuse what they do not know."""
    assert isinstance(method, Method)
    assert set(method.provides) <= set(PROPERTIES)
    assert method.level_of_theory
    assert method.citation
    assert method.made_with


@pytest.mark.parametrize("change", label_laws.CHANGES)
def test_labels_follow_the_structure(method, change):
    """Turned, mirrored, moved, numbered anew."""
    assert label_laws.check_follows(method, change, cases.water()) <= 2e-4


def test_forces(method):
    """They are slopes of the energy."""
    if "forces" not in method.provides:
        pytest.skip("it gives no forces")
    assert label_laws.check_forces(method, cases.water()) <= 1e-3
