"""Paths: a barrier in closed form, one that symmetry gives, the forces of ASE, resuming, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import fcc100, molecule
from ase.constraints import FixAtoms
from ase.io import read
from ase.mep import NEB
from scipy.optimize import minimize_scalar

from atomscape.simulate.band import Band
from atomscape.simulate.interpolation import REACH, between, unwrapped
from atomscape.simulate.neb import find_passage, first_chain
from atomscape.simulate.neb_folder import band_in_folder
from atomscape.simulate.passage import Passage, passage_figure
from atomscape.simulate.potential import EnergyFunction
from atomscape.simulate.reading import structures_of

BARRIER, HIGH, SLOPE = 0.7, 0.6, 0.1


@pytest.fixture(scope="module")
def bent_well() -> EnergyFunction:
    """A well at x = ±1 for atom 1; the way between leads over y = ``HIGH``, the saddle is ``BARRIER`` high.

    E = B (x² − 1)² + 3 (y − H (1 − x²))² + z² + S (3x − x³)/2: the last term tilts it by 2 S between wells
    and leaves their places, as its slope vanishes there.
    """

    def energy(graph):
        s = graph.structures
        x, y, z = s.positions[1::2].unbind(1)
        tilt = SLOPE * (3 * x - x**3) / 2
        return BARRIER * (x**2 - 1) ** 2 + 3 * (y - HIGH * (1 - x**2)) ** 2 + z**2 + tilt

    return EnergyFunction(energy, 1.0)


def in_well(x: float, y: float = 0.0) -> Atoms:
    """Atom 0 is held where it is in nobody's way."""
    atoms = Atoms("Cu2", [[0, 0, 5], [x, y, 0]])
    atoms.set_constraint(FixAtoms([0]))
    return atoms


@pytest.fixture
def hop():
    """An atom on a slab that is held, from one hollow to the next; the way leads over a bridge."""
    slab = fcc100("Cu", (2, 2, 2), a=3.5, vacuum=8)
    slab.set_constraint(FixAtoms(range(8)))
    top, side = slab.positions[:, 2].max(), slab.cell[0, 0] / 2
    hollow = slab.positions[4] + [side / 2, side / 2, 0]
    images = []
    for k in (0, 1):
        image = slab + Atoms("Cu", [[hollow[0] + k * side, hollow[1], top + 1.7]])
        image.set_constraint(FixAtoms(range(8)))
        images.append(image)
    return images


def test_a_barrier_in_closed_form(bent_well):
    """With a tilt the saddle moves; it is where the cubic of the one-dimensional well has its maximum."""
    chain = first_chain([in_well(-1), in_well(1)], 5)
    found = find_passage(bent_well, chain, fmax=1e-3, steps=300)
    along = lambda x: BARRIER * (x**2 - 1) ** 2 + SLOPE * (3 * x - x**3) / 2  # noqa: E731
    x = minimize_scalar(lambda x: -along(x), bounds=(-0.5, 0.5), method="bounded").x
    assert found.converged
    assert found.climbed
    assert found.barrier == pytest.approx(along(x) - along(-1), abs=1e-5)
    assert found.reaction == pytest.approx(2 * SLOPE, abs=1e-12)
    assert found.barrier_back == pytest.approx(found.barrier - 2 * SLOPE, abs=1e-12)
    np.testing.assert_allclose(found.places[found.highest][1], [x, HIGH * (1 - x**2), 0], atol=2e-3)
    flat = find_passage(bent_well, chain, fmax=0.01, climb=False)
    assert not flat.climbed
    assert flat.barrier < found.barrier + 1e-6
    x, e = found.curve()
    assert e.max() == pytest.approx(found.barrier, abs=0.02)
    assert passage_figure(found).startswith("<svg")


def test_a_barrier_that_symmetry_gives(lennard_jones, ase_lennard_jones, hop):
    """On the bridge only the height is free: a search along one line finds the saddle."""
    images = first_chain(hop, 3)
    assert torch.equal(
        images.structures.positions[images.fixed], images.structures[0].positions[:8].repeat(5, 1)
    )
    found = find_passage(lennard_jones, images, fmax=2e-3, steps=200)
    one = hop[0].copy()
    one.set_constraint()
    one.calc = ase_lennard_jones()

    def energy(z: float, x: float) -> float:
        one.positions[8, 0], one.positions[8, 2] = x, z
        return one.get_potential_energy()

    x0, x1, z = hop[0].positions[8, 0], hop[1].positions[8, 0], hop[0].positions[8, 2]
    low, high = (
        minimize_scalar(lambda h, x=x: energy(h, x), bounds=(z - 0.5, z + 1.5), method="bounded").fun
        for x in (x0, (x0 + x1) / 2)
    )
    ends = [image.copy() for image in hop]
    for image in ends:
        image.calc = ase_lennard_jones()
    start = ends[0].get_potential_energy()
    assert found.converged
    assert found.highest == 2
    assert found.barrier == pytest.approx(high - start, abs=1e-4)
    assert found.reaction == pytest.approx(0, abs=1e-9)
    assert start >= low - 1e-9


def test_forces_of_the_band_are_those_of_ase_image_by_image(lennard_jones, ase_lennard_jones, hop):
    chain = first_chain(hop, 3)
    band = Band(lennard_jones, chain.structures, chain.fixed)
    ours = NEB(band.images, k=0.3, climb=True, method="improvedtangent")
    forces = ours.get_forces()
    assert band.evaluations == 2  # the ends, and what lies between
    theirs = [image.copy() for image in band.images]
    for image in theirs:
        image.calc = ase_lennard_jones()
    other = NEB(theirs, k=0.3, climb=True, method="improvedtangent")
    np.testing.assert_allclose(forces, other.get_forces(), atol=1e-9)
    ours.set_positions(ours.get_positions() + 0.01)
    ours.get_forces()
    ours.get_forces()
    assert band.evaluations == 3


def test_a_band_that_was_stopped_goes_on_as_if_it_never_had(lennard_jones, hop, tmp_path):
    settings, start = {"spring": 0.1}, lambda: first_chain(hop, 3)
    go = {"settings": settings, "fmax": 6e-3}
    whole = band_in_folder(tmp_path / "whole", start, lennard_jones, **go)
    assert whole.climbed
    assert whole.steps > 6

    def stop(passage: Passage) -> None:
        if passage.steps == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        band_in_folder(tmp_path / "parts", start, lennard_jones, progress=stop, **go)
    with pytest.raises(ValueError, match="--resume continues a band"):
        band_in_folder(tmp_path / "parts", start, lennard_jones, **go)
    band_in_folder(tmp_path / "parts", start, lennard_jones, resume=True, steps=5, **go)
    again = band_in_folder(tmp_path / "parts", start, lennard_jones, resume=True, **go)
    assert again.steps == whole.steps
    for name in ("band.xyz", "state.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name
    frames = read(tmp_path / "whole/band.xyz", ":")
    assert [frame.info["image"] for frame in frames] == list(range(5))
    assert len(frames[2].constraints[0].index) == 8
    assert frames[2].get_potential_energy() - frames[0].get_potential_energy() == pytest.approx(whole.barrier)
    with pytest.raises(ValueError, match=r"started otherwise.*spring: 0.1 → 0.2"):
        band_in_folder(tmp_path / "parts", start, lennard_jones, resume=True, settings={"spring": 0.2})


def test_images_keep_distances_and_cross_the_cell():
    """Of two atoms that would meet half way neither goes through the other; a jump over the cell is none."""
    start = Atoms("Cu3", [[0.3, 0, 0], [4, 0.2, 0], [4, 6, 4]], cell=[8, 9, 10], pbc=True)
    end = start.copy()
    end.positions[:2] = [[7.7, 0, 0], [4, 0.3, 0.2]]
    chain = first_chain([start, end], 3)
    x = chain.structures.positions.reshape(5, 3, 3)[:, 0, 0].numpy()
    np.testing.assert_allclose(x, 0.3 - 0.6 * np.arange(5) / 4, atol=0.05)
    water, turned = molecule("H2O"), molecule("H2O")
    water.positions[2] += [0, 0.2, 0.1]
    turned.rotate(50, "x")
    turned.positions += 3
    places = unwrapped([water, turned])
    assert np.abs(places[1] - places[0]).max() < 0.3
    first = structures_of([Atoms("Cu3", [[0, 0, 0], [2.2, 0, 0], [0, 0.4, 2.2]])])
    knots = torch.stack(
        [
            first.positions,
            first.positions[[1, 0, 2]] + torch.tensor([[0, 0.8, 0.2], [0, 0.0, 0], [0, 0.1, 0]]),
        ]
    )
    made = {
        name: between(first, knots, 3, straight).positions
        for name, straight in (("no", False), ("yes", True))
    }
    d = {k: torch.pdist(v.reshape(5, 3, 3)[1]) for k, v in made.items()}
    assert float(d["no"].min()) > float(d["yes"].min()) + 0.3

    def S(places):
        """The pair potential as its paper has it, over all pairs: they are all within reach."""
        ends = torch.stack([torch.pdist(k) for k in knots])
        t = torch.linspace(0, 1, 5, dtype=torch.float64)[1:-1, None]
        now = torch.stack([torch.pdist(p) for p in places.reshape(5, 3, 3)[1:-1]])
        return (((1 - t) * ends[0] + t * ends[1] - now).square() / now**4).sum()

    assert float(torch.pdist(made["no"].reshape(5, 3, 3)[1]).max()) < REACH
    at = made["no"].clone().requires_grad_()
    assert float(torch.autograd.grad(S(at), at)[0].square().sum(1).max().sqrt()) < 0.011
    assert float(S(made["no"])) < 0.1 * float(S(made["yes"]))
    middle = structures_of([Atoms("Cu2", [[0, 0, 0], [2, 0, 0]])])
    swap = torch.stack([middle.positions, middle.positions.flip(0)])
    with pytest.raises(ValueError, match="atoms 0 and 1 fall onto one another at image 1"):
        between(middle, swap, 1)


def test_structures_on_the_way(bent_well):
    """A knot is gone through; as many as images are the images."""
    knots = [in_well(-1), in_well(0, 2.0), in_well(1)]
    chain = first_chain(knots, 1)
    assert chain.structures.positions[3].tolist() == [0, 2, 0]
    chain = first_chain(knots, 3)
    np.testing.assert_allclose(chain.structures.positions[1::2][2], [0, 2, 0], atol=0.01)
    with pytest.raises(ValueError, match=r"1 images for 2 structures on the way.*--images"):
        first_chain([*knots, in_well(2)], 1)


def test_ends_that_are_none():
    water, other = molecule("H2O"), molecule("CO2")
    with pytest.raises(ValueError, match="the start is H2O and the end CO2; a path keeps its elements"):
        first_chain([water, other], 3)
    with pytest.raises(ValueError, match="the start has 3 atoms and the end has 2"):
        first_chain([water, molecule("N2")], 3)
    with pytest.raises(ValueError, match=r"atom 0 is O in the start and H in the end; .* same order"):
        first_chain([water, water[[1, 0, 2]]], 3)
    box, larger = (Atoms("Cu", cell=[a, 4, 4], pbc=True) for a in (4.0, 4.1))
    with pytest.raises(ValueError, match=r"differ by up to 0\.1 Å; a band keeps its cell"):
        first_chain([box, larger], 3)
    flat = box.copy()
    flat.pbc = [True, True, False]
    with pytest.raises(ValueError, match="periodic in"):
        first_chain([box, flat], 3)
    moved = in_well(1)
    moved.positions[0, 2] = 4.0
    with pytest.raises(ValueError, match="atoms that are held move by up to 1 Å"):
        first_chain([in_well(-1), moved], 3)


def test_a_way_without_a_barrier_has_none_to_climb(bent_well):
    found = find_passage(bent_well, first_chain([in_well(0.0, HIGH), in_well(1)], 3), fmax=0.01)
    assert (found.highest, found.climbed) == (0, False)
    assert found.barrier == 0
    root = EnergyFunction(lambda g: bent_well.energy(g) + (g.structures.positions[1::2, 0] + 1).sqrt(), 1.0)
    chain = first_chain([in_well(-0.9), in_well(1)], 1)
    chain.structures.positions[3, 0] = -2.0
    with pytest.raises(FloatingPointError, match="a force on image 1 is no number"):
        find_passage(root, chain)
