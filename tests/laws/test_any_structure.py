"""The symmetry laws on structures that Hypothesis makes up."""

from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atomscape.find import available, find
from atomscape.testing import laws
from atomscape.testing.strategies import drawn, sketches

SMALL = {"channels": 5, "layers": 2, "cutoff": 3.2, "n_radial": 4, "l_max": 2, "average_neighbours": 4.0}
few = settings(
    max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@functools.cache
def encoder(name: str):
    module = find("encoders", name)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        fields = module.Config.model_fields
        return module.build(module.Config(**{k: v for k, v in SMALL.items() if k in fields})).double()


@pytest.fixture(params=available("encoders"))
def name(request):
    return request.param


@few
@given(sketches, st.integers(0, 1000))
def test_space(name, plan, seed):
    structures = drawn(plan)
    turning = (laws.check_rotation, laws.check_reflection)
    turning = turning if laws.claims_equivariance(encoder(name)) else ()
    for check in (*turning, laws.check_translation, laws.check_permutation):
        check(encoder(name), structures, case=repr(plan), seed=seed)


@few
@given(sketches, st.integers(0, 1000))
def test_description(name, plan, seed):
    structures = drawn(plan)
    laws.check_batch_alone(encoder(name), structures, case=repr(plan))
    if bool(structures.pbc.any()):
        laws.check_lattice_translation(encoder(name), structures, case=repr(plan), seed=seed)
        laws.check_unimodular_cell(encoder(name), structures, case=repr(plan), seed=seed)


@few
@given(sketches)
def test_derivatives(name, plan):
    structures = drawn(plan)
    laws.check_finite_difference(encoder(name), structures, case=repr(plan))
