"""Noise and masks: what was done stands in the labels, and undoing it gives the clean structures back."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import rotated
from atomscape.data.corruptions import mask_elements, noise_cell, noise_positions
from atomscape.nn.self_condition import clean_structures
from atomscape.o3.rotation import random_rotation
from atomscape.testing import cases

ALL = ("mixed_batch", "fcc", "water", "diatomic", "isolated_atom", "small_cell", "empty")


def noisy(s: Structures, seed: int = 0, **settings) -> Structures:
    return noise_positions.build(noise_positions.Config(**settings))(s, np.random.default_rng(seed))


def strained(s: Structures, seed: int = 0, **settings) -> Structures:
    return noise_cell.build(noise_cell.Config(**settings))(s, np.random.default_rng(seed))


def masked(s: Structures, seed: int = 0, **settings) -> Structures:
    return mask_elements.build(mask_elements.Config(**settings))(s, np.random.default_rng(seed))


@pytest.mark.parametrize("case", ALL)
def test_the_labels_lead_back_to_the_clean_structures(case):
    s = cases.everything[case]()
    back = clean_structures(masked(noisy(strained(s, sigma=0.1), sigma=(0.05, 0.5)), atoms=0.5))
    assert back is not None
    torch.testing.assert_close(back.positions, s.positions, rtol=0, atol=1e-12)
    torch.testing.assert_close(back.cell, s.cell, rtol=0, atol=1e-12)
    assert torch.equal(back.numbers, s.numbers)
    assert clean_structures(s) is None


@pytest.mark.parametrize("case", ALL)
def test_noise_moves_and_turns_nothing_as_a_whole(case):
    """Σ t = 0 everywhere; Σ r × t = 0 about the centre where nothing is periodic."""
    s = cases.everything[case]()
    t = noisy(s, sigma=0.2).labels["position_noise"]
    for i in range(len(s)):
        mine = s.structure == i
        r = s.positions[mine] - s.positions[mine].mean(0)
        assert t[mine].sum(0).abs().max() < 1e-12 * max(1, mine.sum())
        moment = torch.linalg.cross(r, t[mine]).sum(0).abs().max()
        scale = r.abs().max().clamp(min=1) * mine.sum()
        assert (moment < 1e-12 * scale) or bool(s.pbc[i].any())


def test_noise_is_of_the_size_that_is_asked():
    """Degrees of freedom that are left have variance σ²: 3n − 6 of a molecule, 3n − 3 of a crystal."""
    for make, lost in ((cases.ethanol, 6), (cases.rattled_rocksalt, 3), (cases.diatomic, 5)):
        s = Structures.concatenate([make()] * 3000)
        t = noisy(s, sigma=0.01).labels["position_noise"]
        free = 3000 * (3 * make().n_atoms - lost)
        assert float(t.square().sum()) / free == pytest.approx(1e-4, rel=0.05)


def test_levels_are_drawn_log_uniformly_and_scale_the_noise():
    s = noisy(Structures.concatenate([cases.ethanol()] * 2000), sigma=(0.01, 1.0))
    level = s.labels["noise_level"]
    assert float(level.log10().mean()) == pytest.approx(-1, abs=0.05)
    assert 0.01 <= float(level.min()) <= float(level.max()) <= 1
    scaled = s.labels["position_noise"] / level[s.structure].unsqueeze(1)
    torch.testing.assert_close(s.labels["scaled_position_noise"], scaled)


def test_strain_has_no_direction_and_leaves_what_is_not_a_crystal():
    """Moments of ε are those of any turned ε; molecules and slabs stay, with their labels."""
    s = Structures.concatenate([cases.fcc()] * 4000)
    strain = strained(s, sigma=0.05).labels["strain_noise"]
    torch.testing.assert_close(strain, strain.mT)
    Q = random_rotation(1, generator=torch.Generator().manual_seed(0))[0]
    second = torch.einsum("sij,skl->ijkl", strain, strain) / len(s)
    turned = torch.einsum("ai,bj,ck,dl,ijkl->abcd", Q, Q, Q, Q, second)
    assert float((turned - second).abs().max()) < 0.08 * 0.05**2
    assert float(second[0, 0, 0, 0]) == pytest.approx(0.05**2, rel=0.1)

    batch = cases.mixed_batch()
    batch = batch.with_labels(gap=torch.ones(len(batch)))
    after = strained(batch)
    crystal = batch.pbc.all(1)
    assert torch.equal(after.labels["strain_noise"].isnan().all(2).all(1), ~crystal)
    assert torch.equal(after.labels["gap"].isnan(), crystal)
    still = ~crystal[batch.structure]
    assert torch.equal(after.positions[still], batch.positions[still])


def test_strain_keeps_fractional_coordinates():
    s = cases.rattled_rocksalt()
    after = strained(s, sigma=0.1)
    torch.testing.assert_close(
        after.positions @ torch.linalg.inv(after.cell[0]), s.positions @ torch.linalg.inv(s.cell[0])
    )


def test_noise_of_turned_structures_is_turned_noise_in_distribution():
    """The part taken out turns with the structure: internal(Q r, Q n) = Q internal(r, n)."""
    s = cases.mixed_batch()
    Q = random_rotation(1, generator=torch.Generator().manual_seed(3))[0]
    n = torch.randn(s.n_atoms, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    here, there = noise_positions.internal(s, n), noise_positions.internal(rotated(s, Q), n @ Q.T)
    torch.testing.assert_close(there, here @ Q.T)


def test_masks_hide_exchange_and_keep_in_the_shares_asked():
    s = Structures.concatenate([cases.ethanol()] * 2000)
    after = masked(s, atoms=0.3, hidden=0.5, exchanged=0.3)
    asked = after.labels["masked_element"].isfinite()
    assert torch.equal(after.labels["masked_element"][asked], s.numbers[asked].double())
    assert torch.equal(after.numbers[~asked], s.numbers[~asked])
    assert bool((torch.bincount(s.structure[asked], minlength=len(s)) >= 1).all())
    shown = after.numbers[asked]
    assert float((shown == 0).double().mean()) == pytest.approx(0.5, abs=0.03)
    true = s.numbers[asked]
    different = Counter(t != n and n != 0 for t, n in zip(true.tolist(), shown.tolist(), strict=True))
    # ethanol has 6 H, 2 C and 1 O: an exchanged atom differs with probability 1 − (36 + 4 + 1) / 81
    assert different[True] / len(shown) == pytest.approx(0.3 * (1 - 41 / 81), abs=0.02)


@pytest.mark.parametrize("change", [noisy, masked])
def test_labels_hold_where_nothing_changed_or_are_kept_on_purpose(change):
    s = cases.mixed_batch()
    ones = torch.ones(len(s))
    s = s.with_labels(gap=ones, energy=ones, total_charge=ones, forces=torch.ones(s.n_atoms, 3))
    after = change(s, share=0.5, keep=("gap",))
    changed = after.labels["energy"].isnan()
    assert 0 < int(changed.sum()) < len(s)
    assert torch.equal(after.labels["forces"].isnan().all(1), changed[s.structure])
    assert bool(after.labels["gap"].isfinite().all() and after.labels["total_charge"].isfinite().all())
    still = ~changed[s.structure]
    assert torch.equal(after.positions[still], s.positions[still])
    assert torch.equal(after.numbers[still], s.numbers[still])


def test_the_same_draw_twice_and_others_differ():
    for change in (noisy, strained, masked):
        first, again, other = (change(cases.mixed_batch(), seed) for seed in (3, 3, 4))
        labels = first.labels.keys()
        assert all(torch.equal(first.labels[k].nan_to_num(), again.labels[k].nan_to_num()) for k in labels)
        assert any(
            not torch.equal(first.labels[k].nan_to_num(), other.labels[k].nan_to_num()) for k in labels
        )


@pytest.mark.parametrize(
    ("config", "given", "message"),
    [
        (noise_positions.Config, {"sigma": (0.3, 0.1)}, "smallest and the largest"),
        (noise_positions.Config, {"sigma": 0.0}, "positive"),
        (noise_cell.Config, {"sigma": -1}, "positive"),
        (noise_positions.Config, {"atoms": 0}, "greater than 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(config, given, message):
    with pytest.raises(ValidationError, match=message):
        config(**given)


def test_slips_are_named():
    s = cases.fcc()
    with pytest.raises(ValueError, match="noise_cell comes before"):
        strained(noisy(s))
    with pytest.raises(ValueError, match="more than all"):
        masked(s, hidden=0.9, exchanged=0.2)
    s = s.with_labels(gap=torch.ones(1), forces=torch.ones(4, 3))
    with pytest.raises(ValueError, match="did you mean 'gap'"):
        noisy(s, keep=("gab",))
    with pytest.raises(ValueError, match="derivative of the energy"):
        noisy(s, keep=("forces",))
