"""What trained potentials say of matter: ``python experiments/physics/run.py CASE [RUN]``.

CASE is copper (volume and elastic constants beside those of the reference calculations), silicon (phonons)
or 3bpa (10 ps at 300 K). Each also tests stress against finite strain and the energy's drift. RUN is
by default that of ``mace`` in ``experiments/potentials``. The result is filed as ``CASE.json`` here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.build import bulk
from ase.neighborlist import natural_cutoffs
from reference import fitted, perfect

from atomscape.atoms.ase import from_ase, to_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.data.load import load
from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.results import commit
from atomscape.simulate.checks import check_derivatives, check_drift
from atomscape.simulate.dynamics import advance, started
from atomscape.simulate.elastic import elastic_constants
from atomscape.simulate.equation_of_state import equation_of_state
from atomscape.simulate.integrators import Langevin
from atomscape.simulate.loading import load_potential
from atomscape.simulate.phonons import phonons
from atomscape.simulate.potential import ModelPotential
from atomscape.simulate.relax import relax
from atomscape.units import GPA

HERE = Path(__file__).resolve().parent
LARGEST = (0.02, 0.03, 0.04)
"""Strains up to which cells are used, to see what the choice does."""

PICOSECONDS, DT = 10.0, 1.0


def copper(potential: ModelPotential) -> dict[str, Any]:
    """Fitted and computed constants of copper, beside those of the data."""
    store = load("mlearn:Cu")
    cells = perfect(store[list(range(len(store)))], 108, 3)
    said = torch.cat([potential(neighbour_graph(c, potential.cutoff), ("stress",))["stress"] for c in cells])
    at_rest = relaxed(potential, bulk("Cu", cubic=True, a=3.61))
    C = elastic_constants(potential, at_rest).C
    eos = equation_of_state(potential, at_rest)
    own = {"edge": float(at_rest.volume[0]) ** (1 / 3), "c11": C[0, 0], "c12": C[0, 1], "c44": C[3, 3]}
    return {
        "reference": [asdict(fitted(cells.cell, cells.labels["stress"], 3, x)) for x in LARGEST],
        "same_strains": [asdict(fitted(cells.cell, said, 3, x)) for x in LARGEST],
        "small_strains": {k: float(v) for k, v in own.items()},
        "bulk_modulus_of_volumes_gpa": eos.bulk_modulus / GPA,
        "misfit_of_volumes_mev_per_atom": 1e3 * eos.misfit,
        **common(potential, shaken(bulk("Cu", cubic=True, a=own["edge"]) * (2, 2, 2))),
    }


def silicon(potential: ModelPotential) -> dict[str, Any]:
    """Phonons of silicon."""
    at_rest = relaxed(potential, bulk("Si", cubic=True, a=5.46))
    found, edge = phonons(potential, at_rest).as_dict(), float(at_rest.volume[0]) ** (1 / 3)
    C = elastic_constants(potential, at_rest).C
    return {
        "edge": edge,
        "elastic_gpa": {"c11": float(C[0, 0]), "c12": float(C[0, 1]), "c44": float(C[3, 3])},
        "phonons": {
            k: found[k] for k in ("lowest_thz", "highest_thz", "stable", "supercell", "bands", "ticks")
        },
        **common(potential, shaken(bulk("Si", cubic=True, a=edge) * (2, 2, 2))),
    }


def molecule(potential: ModelPotential) -> dict[str, Any]:
    """Ten picoseconds of the molecule: how far its bonds were stretched, and whether new ones came."""
    store = load("3bpa")
    s = store[[0]]
    reach = np.array(natural_cutoffs(to_ase(s)[0], mult=1.25))
    bonded, distance = bonds(s.positions.numpy(), reach)
    seen = {"longest": 0.0, "shortest": np.inf, "temperature": [], "energy": []}

    def watch(motion) -> None:
        now = np.linalg.norm(np.diff(motion.structures.positions.numpy()[bonded], axis=1)[:, 0], axis=1)
        seen["longest"] = max(seen["longest"], float((now / distance).max()))
        seen["shortest"] = min(seen["shortest"], float((now / distance).min()))
        seen["temperature"].append(float(motion.temperature[0]))
        seen["energy"].append(float(motion.energy[0]))

    rule = Langevin(300.0, DT)
    motion = started(potential, s, rule, [0], temperature=300.0)
    end = advance(potential, motion, rule, round(1000 * PICOSECONDS / DT), observe=watch)
    after, _ = bonds(end.structures.positions.numpy(), reach)
    return {
        "picoseconds": PICOSECONDS,
        "bonds": len(bonded),
        "longest_over_first": seen["longest"],
        "shortest_over_first": seen["shortest"],
        "same_bonds_at_the_end": bonded.tolist() == after.tolist(),
        "mean_temperature_k": float(np.mean(seen["temperature"][2000:])),
        **common(potential, s),
    }


def bonds(x: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of atoms whose covalent spheres meet, and their distances in Å."""
    pairs = np.stack(np.triu_indices(len(x), 1), 1)
    distance = np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1)
    near = distance < reach[pairs].sum(1)
    return pairs[near], distance[near]


def common(potential: ModelPotential, s) -> dict[str, Any]:
    """Derivatives by finite differences, and the drift of 5 ps without a thermostat."""
    drift, _ = check_drift(potential, s, 300.0, 1.0, 5000)
    checks = [*check_derivatives(potential, s), *drift]
    return {"atoms_of_checks": s.n_atoms, "checks": [c.as_dict() for c in checks]}


def relaxed(potential: ModelPotential, atoms):
    """The crystal at rest.

    Raises
    ------
    RuntimeError
        It does not come to rest.
    """
    done = relax(potential, from_ase([atoms]), cell="free", fmax=1e-4, smax=1e-6, steps=1000)
    if not bool(done.converged[0]):
        raise RuntimeError(f"not at rest: {float(done.fmax[0])} eV/Å, {float(done.smax[0])} eV/Å³")
    return done.structures


def shaken(atoms):
    """A structure whose atoms are a little off their places."""
    atoms.rattle(0.05, seed=0)
    return from_ase([atoms])


CASES: dict[str, tuple[str, Callable[[ModelPotential], dict[str, Any]]]] = {
    "copper": ("Cu", copper),
    "silicon": ("Si", silicon),
    "3bpa": ("3bpa", molecule),
}
"""Name → task of ``experiments/potentials`` that trains its potential, and what is asked of it."""


def main() -> int:
    """Load, ask, file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument(
        "run", nargs="?", type=Path, help="folder of a run; others than the default are not filed"
    )
    given = parser.parse_args()
    task, ask = CASES[given.case]
    folder = HERE.parent.parent / "runs" / f"potentials-{task}-mace" / "training" / "run"
    potential = load_potential(given.run or folder, dtype="float64")
    result = {
        "case": given.case,
        **ask(potential),
        "model_hash": potential.model.hash,
        "encoder": potential.model.architecture.encoder.kind,
        "commit": commit(),
    }
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    if given.run is None:
        write_atomic(HERE / f"{given.case}.json", text.encode())
    print(text if len(text) < 6000 else text[:6000] + "…")
    return 0


if __name__ == "__main__":
    sys.exit(main())
