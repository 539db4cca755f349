"""Make the sample data that ship with the package: ``python scripts/make_sample.py``.

Molecules: enumerated (``sample_molecules``), relaxed and labelled with GFN2-xTB (``sample_labels``), some of
them also rattled. Crystals: structure types × elements (``sample_crystals``). Needs
``pip install -e ".[molecules,label,crystals]"`` and about eight minutes of CPU; stopped at any moment, it
continues where it was. The same seed and package versions give the same files.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import Counter
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from sample_crystals import crystals
from sample_labels import DECIMALS, MAX_FORCE, METHOD, RATTLED_MARK, SIGMA, Refused, frames
from sample_molecules import choose, enumerate_molecules, heavy_atoms

from atomscape.atoms.structures import Structures
from atomscape.data.whole_numbers import write_whole_numbers

VERSION = 1
SEED = 20250701
MAX_HEAVY, MOLECULES, RATTLED, CHUNK = 7, 3800, 620, 50
FRACTIONS = (0.8, 0.9)  # up to which a molecule trains, validates
CRYSTAL_DECIMALS = {"positions": 8, "cell": 8, "density": 4, "volume_per_atom": 4}
ROOT = Path(__file__).resolve().parents[1]
#: g/cm³ per atomic mass unit/Å³
DENSITY = 1.66053906892


def main() -> None:
    """Make both files, or the one asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["molecules", "crystals"], help="one of the two files")
    parser.add_argument("--out", type=Path, default=ROOT / "src/atomscape/data/sample")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / f"sample-{VERSION}-{SEED}")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the workers when they load the libraries
    for folder in (arguments.out, arguments.work):
        folder.mkdir(parents=True, exist_ok=True)
    if arguments.only != "crystals":
        make_molecules(arguments.out, arguments.work, arguments.processes)
    if arguments.only != "molecules":
        make_crystals(arguments.out)


def make_molecules(out: Path, work: Path, processes: int) -> None:
    """Write ``molecules.npz`` and its record."""
    smiles, rattled = chosen_molecules(work)
    jobs = [
        (smiles[k : k + CHUNK], rattled, work / f"chunk-{k:05d}.json") for k in range(0, len(smiles), CHUNK)
    ]  # fmt: skip
    missing = [job for job in jobs if not job[2].exists()]
    with get_context("spawn").Pool(processes) as pool:
        for done, _ in enumerate(pool.imap_unordered(label_chunk, missing), start=1):
            print(f"{done} of {len(missing)} chunks", flush=True)
    chunks = [json.loads(path.read_text()) for _, _, path in jobs]
    records = [frame for chunk in chunks for frame in chunk["frames"]]
    structures = Structures.concatenate(map(as_structures, records))
    parents = [i.split(RATTLED_MARK)[0] for i in structures.ids]
    part_of = molecule_parts(list(dict.fromkeys(parents)))
    path = out / "molecules.npz"
    write_whole_numbers(path, structures, np.array([part_of[p] for p in parents]), DECIMALS)
    refused = Counter(reason for chunk in chunks for reason in chunk["refused"].values())
    record(
        path,
        structures,
        ("rdkit", "tblite", "scipy", "numpy", "ase"),
        level_of_theory=f"{METHOD} (gas phase, 300 K electronic temperature, SCF accuracy 0.01)",
        geometry=f"ETKDGv3, MMFF94, {METHOD} until no force component exceeds {MAX_FORCE} eV/Å; '~1', '~2': "
        f"Gaussian displacements of {SIGMA[0]} and {SIGMA[1]} Å on every coordinate of the relaxed molecule",
        split="random over molecules, 80/10/10; rattled frames stay with their molecule; those of at most "
        "two heavy atoms train",
        relaxed=len(set(parents)),
        refused=dict(sorted(refused.items())),
    )


def chosen_molecules(work: Path) -> tuple[list[str], set[str]]:
    """Molecules to label, and those of them to rattle; kept in a file, as enumeration takes a minute."""
    path = work / "molecules.json"
    if not path.exists():
        write_atomically(path, choose(enumerate_molecules(MAX_HEAVY), MOLECULES, SEED))
    smiles = json.loads(path.read_text())
    return smiles, set(random.Random(SEED).sample(smiles, RATTLED))


def label_chunk(job: tuple[list[str], set[str], Path]) -> None:
    """Label some molecules and write their frames, and why others were refused, to a file."""
    smiles, rattled, path = job
    kept, refused = [], {}
    for one in smiles:
        try:
            kept += frames(one, SEED, one in rattled)
        except Refused as reason:
            refused[one] = str(reason)
    records = [{k: np.asarray(v).tolist() for k, v in asdict(frame).items()} for frame in kept]
    write_atomically(path, {"frames": records, "refused": refused})


def as_structures(frame: dict) -> Structures:
    """One frame as a batch of one."""
    n = len(frame["numbers"])
    per_atom = {k: torch.tensor(frame[k], dtype=torch.float64) for k in ("forces", "charges")}
    per_structure = {k: torch.tensor([frame[k]], dtype=torch.float64) for k in ("energy", "dipole", "gap")}
    return Structures(
        torch.tensor(frame["positions"], dtype=torch.float64),
        torch.tensor(frame["numbers"]),
        torch.zeros(1, 3, 3, dtype=torch.float64),
        torch.zeros(1, 3, dtype=torch.bool),
        torch.zeros(n, dtype=torch.int64),
        per_structure | per_atom,
        (frame["id"],),
    )


def molecule_parts(parents: list[str]) -> dict[str, int]:
    """Part of each molecule; the smallest train, because no other molecule is like H₂ or N₂."""
    drawn = np.random.default_rng(SEED).random(len(parents))
    parts = np.searchsorted(FRACTIONS, drawn)
    return {p: 0 if heavy_atoms(p) <= 2 else int(k) for p, k in zip(parents, parts, strict=True)}


def make_crystals(out: Path) -> None:
    """Write ``crystals.npz`` and its record."""
    parts = []
    for name, atoms in crystals().items():
        volume = atoms.cell.volume
        labels = {
            "density": DENSITY * atoms.get_masses().sum() / volume,
            "volume_per_atom": volume / len(atoms),
        }
        parts.append(
            Structures(
                torch.from_numpy(atoms.positions.round(CRYSTAL_DECIMALS["positions"])),
                torch.from_numpy(atoms.numbers.astype(np.int64)),
                torch.from_numpy(atoms.cell.array.round(CRYSTAL_DECIMALS["cell"]))[None],
                torch.ones(1, 3, dtype=torch.bool),
                torch.zeros(len(atoms), dtype=torch.int64),
                {
                    k: torch.tensor([round(v, CRYSTAL_DECIMALS[k])], dtype=torch.float64)
                    for k, v in labels.items()
                },
                (name,),
            )
        )
    structures = Structures.concatenate(parts)
    path = out / "crystals.npz"
    part = np.searchsorted(FRACTIONS, np.random.default_rng(SEED).random(len(structures)))
    write_whole_numbers(path, structures, part, CRYSTAL_DECIMALS)
    record(
        path,
        structures,
        ("ase", "pymatgen", "numpy"),
        level_of_theory="none: geometric estimates, no energies",
        geometry="elements at the lattice constants ASE lists; compounds with a cell edge from sums of ionic "
        "(Shannon), covalent (Cordero) or metallic radii",
        split="random, 80/10/10",
    )


def record(path: Path, structures: Structures, packages: tuple[str, ...], **facts) -> None:
    """Write the record beside a data file: how it was made, with what, and its checksum."""
    content = {
        "file": path.name,
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "generator": "scripts/make_sample.py",
        "generator_version": VERSION,
        "seed": SEED,
        "packages": {name: version(name) for name in packages},
        "licence": "CC0-1.0",
        "structures": len(structures),
        "atoms": structures.n_atoms,
        **facts,
    }
    path.with_suffix(".json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    size = path.stat().st_size / 1e6
    print(f"{path}: {len(structures)} structures, {structures.n_atoms} atoms, {size:.2f} MB")


def write_atomically(path: Path, content) -> None:
    """Write JSON so that the file is either complete or absent."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.replace(path)


if __name__ == "__main__":
    main()
