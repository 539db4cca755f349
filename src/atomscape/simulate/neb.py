"""Nudged elastic band: the path of least energy between two minima, and the saddle on it.

Forces of the band are those of ASE (``ase.mep.NEB``): improved tangents, springs along the path alone
(Henkelman and Jónsson, J. Chem. Phys. 113, 9978 (2000)), and a highest image that climbs to the saddle
(Henkelman, Uberuaga and Jónsson, ibid. 9901, eq. 5). All images of a step are one batch (``simulate.band``),
and FIRE moves the whole band as if it were one structure: forces of a band are no gradient, so methods that
build a Hessian of them may run away.

    chain = first_chain(images, 5)
    passage = find_passage(potential, chain)
    passage.barrier, passage.structures
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.shapes import Bool, Float, Tensor
from atomscape.simulate.band import Band
from atomscape.simulate.interpolation import between, unwrapped
from atomscape.simulate.optimise import Fire, Memory
from atomscape.simulate.passage import Passage
from atomscape.simulate.potential import Potential
from atomscape.simulate.reading import fixed_atoms, structures_of

CLIMB = 0.3
"""eV/Å below which the highest image begins to climb: before, another one may turn out to be the highest."""


@dataclass(frozen=True, eq=False)
class Chain:
    """Images from start to end, and all that the next step needs of those before."""

    structures: Structures
    fixed: Bool[Tensor, " atoms"]
    climbing: bool = False
    memory: Memory | None = None
    step: int = 0
    history: Float[Tensor, "steps 2"] = field(default_factory=lambda: torch.zeros(0, 2).double())


def first_chain(images: Sequence[Atoms], n: int, inputs: Sequence[str] = (), straight: bool = False) -> Chain:
    """A guess of the path: start, end, and n images between, through whatever structures lie between.

    Parameters
    ----------
    images
        Start, known structures of the path (or none), end.
    inputs
        Labels that the network reads.
    straight
        On the straight line, without the pair potential of ``simulate.interpolation``.

    Raises
    ------
    ValueError
        Structures that are not the same atoms in the same order and cell, or more of them than images.
    """
    if n < 1 or len(images) - 2 > n:
        raise ValueError(
            f"{n} images for {len(images) - 2} structures on the way; give as many images or more (--images)"
        )
    for k, image in enumerate(images[1:], 1):
        refuse_other_atoms(images[0], image, "the end" if k == len(images) - 1 else f"structure {k}")
    first, last = (structures_of([images[k]], inputs) for k in (0, -1))
    for name, values in first.labels.items():
        if name not in last.labels or not torch.equal(values, last.labels[name]):
            raise ValueError(f"the network reads {name}, which is another at the end; a path needs one")
    knots = unwrapped(images)
    held = fixed_atoms(images[:1])
    moved = np.abs(knots[:, held.numpy()] - knots[:1, held.numpy()])
    if moved.size and moved.max() > 1e-3:
        raise ValueError(
            f"atoms that are held move by up to {moved.max():.3g} Å between start and end; give both ends "
            "the same places of them, or do not hold them"
        )
    chain = between(first, torch.from_numpy(knots), n, straight, held)
    return Chain(chain, held.repeat(n + 2))


def refuse_other_atoms(start: Atoms, other: Atoms, name: str) -> None:
    """Raise ``ValueError`` where two structures cannot be the ends of a path."""
    if len(start) != len(other):
        raise ValueError(
            f"the start has {len(start)} atoms and {name} has {len(other)}; a path keeps them all"
        )
    a, b = start.get_chemical_symbols(), other.get_chemical_symbols()
    if sorted(a) != sorted(b):
        raise ValueError(
            f"the start is {start.get_chemical_formula()} and {name} {other.get_chemical_formula()}; a path "
            "keeps its elements"
        )
    if a != b:
        k = next(k for k in range(len(a)) if a[k] != b[k])
        raise ValueError(
            f"atom {k} is {a[k]} in the start and {b[k]} in {name}; atoms have to stand in the same order"
        )
    if (start.pbc != other.pbc).any():
        raise ValueError(f"the start is periodic in {start.pbc.tolist()}, {name} in {other.pbc.tolist()}")
    apart = np.abs(start.cell.array - other.cell.array)[start.pbc]
    if apart.size and apart.max() > 1e-6:
        raise ValueError(
            f"cells of the start and of {name} differ by up to {apart.max():.3g} Å; a band keeps its cell. "
            "Relax both ends in one cell (atomscape relax, --cell fixed)"
        )


def find_passage(
    potential: Potential,
    chain: Chain,
    *,
    fmax: float = 0.05,
    steps: int = 500,
    climb: bool = True,
    spring: float = 0.1,
    observe: Callable[[Passage, Chain], None] | None = None,
) -> Passage:
    """Move a band until it lies on the path of least energy.

    Parameters
    ----------
    fmax
        Largest force on an atom of the band that counts as none, eV/Å: across the path, and on a climbing
        image also along it.
    steps
        At most so many, those that the chain has behind it included.
    climb
        Whether the highest image climbs to the saddle.
    spring
        eV/Å² between images.
    observe
        Called with every band before it is moved.

    Raises
    ------
    ValueError
        Elements that the potential does not know.
    FloatingPointError
        A force is no number.
    """
    from ase.mep import NEB

    potential.check(chain.structures)
    rule = Fire()
    band = Band(potential, chain.structures, chain.fixed)
    neb = NEB(band.images, k=spring, climb=chain.climbing, method="improvedtangent")
    while True:
        force = torch.from_numpy(neb.get_forces().copy())
        energies, largest = np.asarray(neb.energies), float(force.square().sum(1).max().sqrt())
        if climb and not neb.climb and largest < max(CLIMB, fmax) and _saddle_inside(energies):
            neb.climb, chain = True, replace(chain, climbing=True, memory=None)
            continue
        height = float(energies.max() - energies[0])
        row = torch.tensor([[largest, height]], dtype=torch.float64)
        chain = replace(
            chain, structures=band.structures, history=torch.cat([chain.history[: chain.step], row])
        )
        done = largest < fmax
        passage = Passage(chain.structures, largest, done, neb.climb, chain.step, chain.history)
        if observe is not None:
            observe(passage, chain)
        if done or chain.step >= steps:
            return passage
        memory = rule.start(force, 1) if chain.memory is None else chain.memory
        step, memory = rule.step(memory, force, torch.zeros(len(force), dtype=torch.int64))
        neb.set_positions(neb.get_positions() + step.numpy())
        chain = replace(chain, memory=memory, step=chain.step + 1)


def _saddle_inside(energies: Float[np.ndarray, " images"]) -> bool:
    """Whether the highest image is not an end; there is nothing to climb otherwise."""
    return bool(energies[1:-1].max() > max(energies[0], energies[-1]))
