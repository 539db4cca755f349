"""Tensor properties of crystals and molecules, one part per study; all tensors in the structures' own frame.

========================  =================================================================================
``piezoelectric``         DFPT piezoelectric tensors of acentric crystals, C/m². Published in the IEEE
                          frame (matminer's ``piezoelectric_tensor.csv``) and turned into that of the
                          structure (packed: ``piezo_cart``, ``frame_ok``); NaN where the crystal's own
                          operations do not keep it
``dielectric``            permittivities of crystals, packed or as matminer's ``dielectric_constant.csv``
``water``                 dipole, polarizability, hyperpolarizability and forces of water molecules, atomic
                          units; the column ``force`` holds gradients +∂E/∂x in Ha/a₀
``qm7x_polarizability``   polarizabilities of molecules, a₀³
``elasticity``            bulk and shear moduli of binary crystals, GPa
========================  =================================================================================
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.known_columns import column, numbered, read_columns
from atomscape.data.matminer_tables import from_ieee_frame, structure_of, table_rows, tensor_of
from atomscape.data.pymatgen_json import read_structure
from atomscape.data.source import Part, first_layout
from atomscape.units import GPA, conversion_factor

_RAW = "https://raw.githubusercontent.com"
_LIBRASCAL = f"{_RAW}/lab-cosmo/librascal/afc70fb3184af3b5ce104bc79c4824bf3bb19477/reference_data/inputs"
_MATMINER = f"{_RAW}/hackingmaterials/matminer"
_DIELECTRIC = f"{_MATMINER}/c24f193e8f18b8f0471ac75ea5726ef18912dbb1/matminer/datasets"
_PIEZO = f"{_MATMINER}/50636b82994969f52617d200979880098149f88f/matminer/datasets"
_MATCALC = f"{_RAW}/materialsvirtuallab/matcalc/27f2d5f44b2bc045ff47446c599a3b6aba298b7f/benchmark_data"

WATER_FILE = "water_monomers_1k_with_energies_and_gradients.xyz"
DIELECTRIC_FILE, PIEZO_FILE = "dielectric_constant.csv", "piezoelectric_tensor.csv"
ELASTICITY_FILE = "mp-binary-pbe-elasticity-2025.1.json.gz"


def _crystal(_: int, image: Atoms) -> str:
    return image.info["material_id"]


def _piezoelectric(paths: list[Path]) -> Iterator[Structures]:
    if paths[0].suffix == ".csv":
        return _batches(paths[0], _piezoelectric_row)
    columns = [column("piezoelectric", "piezo_cart", "C/m^2")]

    def prepare(image: Atoms) -> None:
        if not image.info["frame_ok"]:
            image.info["piezo_cart"] = np.full(27, np.nan)

    return read_columns(paths[0], columns, _crystal, prepare)


def _dielectric(paths: list[Path]) -> Iterator[Structures]:
    if paths[0].suffix == ".csv":
        yield from _batches(paths[0], _dielectric_row)
        return
    columns = (
        column("dielectric", "eps_total"),
        column("dielectric_electronic", "eps_electronic"),
        column("refractive_index", "n"),
        column("gap", "band_gap"),
    )

    yield from read_columns(paths[0], columns, _crystal)


def _batches(path: Path, crystal: Callable[[Mapping[str, str]], Structures]) -> Iterator[Structures]:
    rows = table_rows(path)
    while batch := list(itertools.islice(rows, 256)):
        yield Structures.concatenate(crystal(row) for row in batch)


def _dielectric_row(row: Mapping[str, str]) -> Structures:
    name, image = structure_of(row)
    labels = {
        "dielectric": tensor_of(row, "e_total"),
        "dielectric_electronic": tensor_of(row, "e_electronic"),
        "refractive_index": float(row["n"]),
        "gap": float(row["band_gap"]),
    }
    return Structures.of(image.positions, image.numbers, image.cell.array, True, labels, id=name)


def _piezoelectric_row(row: Mapping[str, str]) -> Structures:
    name, image = structure_of(row)
    tensor = from_ieee_frame(image, tensor_of(row, "piezoelectric_tensor"))
    labels = {"piezoelectric": tensor * conversion_factor("C/m^2", "e/Å²")}
    return Structures.of(image.positions, image.numbers, image.cell.array, True, labels, id=name)


def _water(paths: list[Path]) -> Iterator[Structures]:
    columns = (
        column("energy", "total", "Ha"),
        column("forces", "force", "Ha/bohr", "arrays", sign=-1.0),
        column("dipole", "mu", "e·bohr"),
        column("polarizability", "alpha", "bohr^3"),
        column("hyperpolarizability", "beta", "e^3·bohr^3/Ha^2"),
    )

    def prepare(image: Atoms) -> None:  # the file's periodic flags come without a cell
        image.info["total"] = image.get_potential_energy()
        image.pbc = False

    return read_columns(paths[0], columns, numbered("water"), prepare)


def _qm7x(paths: list[Path]) -> Iterator[Structures]:
    columns = [column("polarizability", unit="bohr^3")]
    return read_columns(paths[0], columns, lambda k, _: f"qm7x-{k}")


def _elasticity(paths: list[Path]) -> Iterator[Structures]:
    with gzip.open(paths[0], "rt") as file:
        content = json.load(file)
    for first in range(0, len(content), 1024):
        yield Structures.concatenate(_elastic_row(row) for row in content[first : first + 1024])


def _elastic_row(row: Mapping) -> Structures:
    numbers, positions, cell = read_structure(row["structure"])
    labels = {name: row[f"{name}_vrh"] * GPA for name in ("bulk_modulus", "shear_modulus")}
    return Structures.of(positions, numbers, cell, True, labels, id=f"mp-{row['mp_id']}")


def _part(
    name: str, layouts: list[list[str]], read: Callable[[list[Path]], Iterator[Structures]], **card
) -> Part:
    def inputs(folder: Path) -> list[Path]:
        return first_layout(folder, *layouts)

    def reading(folder: Path) -> Iterator[Structures]:
        return read(inputs(folder))

    full = Card(name=f"tensors:{name}", folders=("tensors", "tensor_properties"), **card)
    return Part(full, inputs, reading, str(__file__))


parts = {
    "piezoelectric": _part(
        "piezoelectric",
        [[PIEZO_FILE], ["piezo_941.extxyz.gz"]],
        _piezoelectric,
        title="Piezoelectric tensors",
        description="941 acentric crystals of the Materials Project; the tensor is known for the 765 of "
        "which it is certain that it stands in the frame of the structure.",
        licence="CC-BY-4.0",
        citation="M. de Jong, W. Chen, H. Geerlings, M. Asta, K. A. Persson, Sci. Data 2, 150053 (2015)",
        level_of_theory="PBE, density functional perturbation theory, VASP",
        url="https://doi.org/10.1038/sdata.2015.53",
        properties=records("piezoelectric"),
        n_structures=941,
        files={PIEZO_FILE: FileRecord(url=f"{_PIEZO}/{PIEZO_FILE}")},
        verified="packed layout, made from the published table: on the file itself; the published table: on "
        "its first record, and the turning on every tensor of the packed layout",
    ),
    "dielectric": _part(
        "dielectric",
        [[DIELECTRIC_FILE], ["dielectric_1056.extxyz.gz"]],
        _dielectric,
        title="Dielectric tensors",
        description="1,056 inorganic crystals: static and electronic permittivity, refractive index, band "
        "gap. One tensor is asymmetric by 0.56, as published.",
        licence="CC-BY-4.0",
        citation="I. Petousis et al., Sci. Data 4, 160134 (2017)",
        level_of_theory="PBE (+U), density functional perturbation theory, VASP",
        url="https://doi.org/10.1038/sdata.2016.134",
        properties=records("dielectric", "dielectric_electronic", "refractive_index", "gap"),
        n_structures=1_056,
        files={DIELECTRIC_FILE: FileRecord(url=f"{_DIELECTRIC}/{DIELECTRIC_FILE}")},
        verified="packed layout: on the file itself; the published table: on its first record",
    ),
    "water": _part(
        "water",
        [[WATER_FILE], ["water_monomers_1000.xyz.gz"]],
        _water,
        title="Water monomers",
        description="1,000 distorted water molecules with the response to an electric field up to the first "
        "hyperpolarizability: vectors, and tensors of rank two and three.",
        licence="LGPL-2.1",
        citation="F. Musil et al., librascal, J. Chem. Phys. 154, 114109 (2021)",
        level_of_theory="not stated by the publisher",
        url="https://github.com/lab-cosmo/librascal",
        properties=records("energy", "forces", "dipole", "polarizability", "hyperpolarizability"),
        n_structures=1_000,
        files={WATER_FILE: FileRecord(url=f"{_LIBRASCAL}/{WATER_FILE}")},
        verified="on the published file; that the column force is the gradient, in Ha/a₀, was found by "
        "fitting the energy surface",
    ),
    "qm7x_polarizability": _part(
        "qm7x_polarizability",
        [["qm7x_polarizability_100.xyz"]],
        _qm7x,
        title="QM7-X polarizabilities",
        description="100 molecules with polarizability tensors.",
        licence="CC-BY-4.0",
        citation="J. Hoja et al., QM7-X, Sci. Data 8, 43 (2021)",
        level_of_theory="PBE0 with many-body dispersion",
        url="https://doi.org/10.5281/zenodo.3905361",
        properties=records("polarizability"),
        verified="on an excerpt of 100 molecules",
    ),
    "elasticity": _part(
        "elasticity",
        [[ELASTICITY_FILE], ["mp-binary-elasticity-2025.1.json.gz"]],
        _elasticity,
        title="Elastic moduli of binaries",
        description="3,953 binary crystals of the Materials Project with Voigt–Reuss–Hill moduli below 500 "
        "GPa.",
        licence="BSD-3-Clause; data of the Materials Project CC-BY-4.0",
        citation="R. Liu et al., MatCalc (2024); M. de Jong et al., Sci. Data 2, 150009 (2015)",
        level_of_theory="PBE and PBE+U, VASP",
        url="https://github.com/materialsvirtuallab/matcalc",
        properties=records("bulk_modulus", "shear_modulus"),
        n_structures=3_953,
        files={ELASTICITY_FILE: FileRecord(url=f"{_MATCALC}/{ELASTICITY_FILE}")},
        verified="on the published file",
    ),
}
