"""Foreign rows as structures: dictionaries, pymatgen's structures, PyG's ``Data``, in any spelling.

A row is taken at its word. What it calls coordinates are the positions, in the unit that it uses; its other
numbers are columns under their own names, with dots where the row is nested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_numbers
from ase.geometry import cellpar_to_cell

from atomscape.atoms.labels import ALIASES
from atomscape.atoms.properties import PROPERTIES
from atomscape.data.boxes import Foreign
from atomscape.data.described import NOTHING, Described
from atomscape.data.format import ROW

POSITIONS = (
    "pos", "positions", "cart_coords", "coordinates", "coords", "cartesian_site_positions", "xyz",
)  # fmt: skip
FRACTIONAL = ("frac_coords", "scaled_positions", "fractional_coordinates", "frac", "abc")
NUMBERS = (
    "atomic_numbers", "numbers", "z", "Z", "atom_types", "species", "symbols", "elements", "species_at_sites",
    "atomic_symbols",
)  # fmt: skip
CELL = ("cell", "lattice", "lattice_vectors", "lattice_mat", "lattice_matrix", "unit_cell")
PBC = ("pbc", "dimension_types")
"""Names under which rows keep the geometry."""

EDGES = ("edge_index", "edge_attr", "edge_vec", "edge_shift", "cell_offsets", "neighbors", "distances")
SIZES = ("natoms", "num_atoms", "n_atoms", "num_nodes", "nsites", "batch", "ptr")
"""What a row keeps for networks, or twice."""

IDS = ("id", "material_id", "mat_id", "entry_id", "structure_id", "identifier", "uid")

_ANGLES, _EDGES = ("alpha", "beta", "gamma"), ("a", "b", "c")
_PER_ATOM = {n for p in PROPERTIES.values() if p.per == "atom" for n in (p.name, *ALIASES.get(p.name, ()))}
_PER_STRUCTURE = {
    n for p in PROPERTIES.values() if p.per == "structure" for n in (p.name, *ALIASES.get(p.name, ()))
}


def atoms_of(row: object, name: str = "", described: Described = NOTHING) -> Atoms:
    """Structure of a row, with its numbers as columns; ``name`` is how the file counts it.

    ``described`` is what the file itself says about its columns.

    Raises
    ------
    ValueError
        The row has no positions or elements, or they do not fit together.
    """
    flat = dict(_flat(row))
    used, atoms = _geometry(flat)
    if atoms is None:
        known = ", ".join(list(flat)[:20])
        raise ValueError(
            f"no positions and elements in a row with {known or 'nothing'}; positions are looked for as "
            f"{', '.join(POSITIONS + FRACTIONAL)}, elements as {', '.join(NUMBERS)}"
        )
    left = {k for k in flat if k in used or _last(k) in EDGES + SIZES or k.endswith("_id")}
    columns = {k: v for k, v in flat.items() if k not in left}
    for key, value in columns.items():
        short = _short(key, columns)
        _keep(atoms, short, value, described.per.get(short))
    atoms.info |= described.units
    own = _id(flat)
    if own or name:
        atoms.info["id" if own else ROW] = own or name
    return atoms


def _flat(row: object, above: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of a row, at any depth; structures of pymatgen and ASE as plain values."""
    for key, value in members(row).items():
        value = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        path = f"{above}.{key}" if above else key
        if isinstance(value, Foreign) and value.kind.endswith(".Atoms"):
            yield from _flat(_ase(value), path)
        elif (sites := _sites(value)) is not None:
            yield from _flat(sites, path)
        elif isinstance(value, Mapping | Foreign) and _last(path) not in CELL:
            yield from _flat(value, path)
        else:
            yield path, value


def members(row: object) -> Mapping[str, Any]:
    """What a mapping or a box holds by name; ``Data`` of PyTorch Geometric keeps it in a store."""
    if isinstance(row, Foreign):
        if row.kind.endswith(".Atoms"):
            return _ase(row)
        if (sites := _sites(row)) is not None:
            return sites
        held = row.attributes
        store = held.get("_store")
        if isinstance(store, Foreign):
            held = store.attributes.get("_mapping", {})
        return {k: v for k, v in held.items() if v is not None}
    if isinstance(row, Mapping):
        if (sites := _sites(row)) is not None:
            return sites
        return {str(k): v for k, v in row.items() if v is not None}
    raise ValueError(f"a row is a {type(row).__name__}, not something with names and values")


def _sites(value: object) -> dict[str, Any] | None:
    """Geometry of a pymatgen ``Structure``, as a dictionary or a box; None of anything else."""
    boxed = isinstance(value, Foreign) and value.kind.endswith(("Structure", "Molecule"))
    held = value.attributes if isinstance(value, Foreign) else value
    if not isinstance(held, Mapping) or not (boxed or {"sites", "lattice"} <= held.keys()):
        return None
    sites = [s.attributes if isinstance(s, Foreign) else s for s in held.get("_sites", held.get("sites", ()))]
    lattice = held.get("_lattice", held.get("lattice"))
    inside = lattice.attributes if isinstance(lattice, Foreign) else lattice or {}
    made: dict[str, Any] = {"species": [_species(s) for s in sites]}
    if (matrix := inside.get("_matrix", inside.get("matrix"))) is not None:
        made |= {"cell": matrix, "pbc": inside.get("_pbc", inside.get("pbc", (True,) * 3))}
    for ours, theirs in (
        ("positions", ("_coords", "coords", "xyz")),
        ("frac_coords", ("_frac_coords", "abc")),
    ):
        found = [next((s[t] for t in theirs if s.get(t) is not None), None) for s in sites]
        if all(f is not None for f in found):
            made[ours] = np.array(found, dtype=np.float64)
    if "positions" in made:
        made.pop("frac_coords", None)
    charge = held.get("_charge", held.get("charge"))
    return made | ({"total_charge": float(charge)} if charge else {})


def _species(site: Mapping) -> str:
    """Element of a site; the only one, fully occupied."""
    species = site.get("_species", site.get("species"))
    if isinstance(species, Foreign):
        data = species.attributes.get("_data") or species.entries
        shares = [(e.args[0] if isinstance(e, Foreign) and e.args else str(e), n) for e, n in data.items()]
    else:
        shares = [(s["element"], s["occu"]) for s in species or ()]
    if len(shares) != 1 or abs(float(shares[0][1]) - 1) > 1e-6:
        raise ValueError(f"a site is disordered: {shares}; only full occupancies can be read")
    return str(shares[0][0])


def _ase(box: Foreign) -> dict[str, Any]:
    held = box.attributes
    cell = held.get("_cellobj", held.get("_cell"))
    cell = (
        cell.attributes.get("array", cell.args[0] if cell.args else None)
        if isinstance(cell, Foreign)
        else cell
    )
    return {**held.get("arrays", {}), "cell": cell, "pbc": held.get("_pbc"), **held.get("info", {})}


def _geometry(flat: Mapping[str, Any]) -> tuple[set[str], Atoms | None]:
    """Names that make up the geometry, and the structure; of several geometries the original's."""
    places = [k for k in flat if _last(k) in POSITIONS + FRACTIONAL]
    places.sort(key=lambda k: ("original" not in k, k.count("."), _last(k) in FRACTIONAL))
    for place in places:
        here = {_last(k): k for k in flat if _above(k) == _above(place)}
        numbers = next((here[n] for n in NUMBERS if n in here and _are_elements(flat[here[n]])), None)
        if numbers is None:
            continue
        used = {k for p in places for k in flat if _above(p) and k.startswith(f"{_above(p)}.")}
        used |= {here[n] for n in (*POSITIONS, *FRACTIONAL, *NUMBERS, *CELL, *PBC) if n in here}
        used -= {k for k in used if _above(k) == _above(place) and _last(k) in ("elements",) and k != numbers}
        cell, names = _cell(flat, here)
        atoms = Atoms(_elements(flat[numbers]))
        if cell is not None:
            atoms.set_cell(cell)
            given = next((flat[here[p]] for p in PBC if p in here), None)
            atoms.pbc = cell.any(-1) if given is None else np.asarray(given).reshape(-1).astype(bool)
        values = np.asarray(flat[place], dtype=np.float64).reshape(len(atoms), 3)
        atoms.positions = values @ atoms.cell.array if _last(place) in FRACTIONAL else values
        return used | names, atoms
    return set(), None


def _cell(flat: Mapping[str, Any], here: Mapping[str, str]) -> tuple[np.ndarray | None, set[str]]:
    """Lattice vectors as rows, from vectors or from edges and angles, and the names that gave them."""
    for name in CELL:
        if name not in here:
            continue
        value = flat[here[name]]
        if isinstance(value, Foreign):
            value = value.attributes.get("_matrix", value.attributes.get("matrix"))
        if isinstance(value, Mapping):
            value = value.get("matrix") or [float(value[k]) for k in (*_EDGES, *_ANGLES)]
        array = np.asarray(value, dtype=np.float64)
        return (cellpar_to_cell(array) if array.size == 6 else array.reshape(3, 3)), {here[name]}
    names = [f"_cell_length_{k}" for k in _EDGES] + [f"_cell_angle_{k}" for k in _ANGLES]
    if all(name in here for name in names):
        return cellpar_to_cell([float(flat[here[name]]) for name in names]), {here[name] for name in names}
    return None, set()


def _are_elements(values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "iufSU"
    return isinstance(values, list | tuple) and all(isinstance(v, str | bytes | int | float) for v in values)


def _elements(values: Any) -> np.ndarray:
    """Atomic numbers, from numbers or symbols."""
    given = np.asarray(values).reshape(-1)
    if given.dtype.kind in "biuf":
        return np.rint(given).astype(np.int64)
    symbols = [v.decode() if isinstance(v, bytes) else str(v) for v in given.tolist()]
    unknown = [s for s in symbols if s not in atomic_numbers]
    if unknown:
        raise ValueError(f"no element is called {unknown[0]!r}")
    return np.array([atomic_numbers[s] for s in symbols])


def _keep(atoms: Atoms, key: str, value: Any, per: str | None) -> None:
    """Numbers become a column: an array if there is one for each atom, else info; units stay as text."""
    if isinstance(value, str):
        if key.endswith(("_unit", "_units", "config_type")):
            atoms.info[key] = value
        return
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return
    if array.dtype.kind not in "biuf" or array.size == 0:
        return
    if per is None:
        rows = array.shape[:1] == (len(atoms),) and _last(key) not in _PER_STRUCTURE - _PER_ATOM
        per = "atom" if rows and not (array.ndim == 1 and _last(key) in _PER_STRUCTURE) else "structure"
    if per == "atom":
        atoms.arrays[key] = array
    else:
        atoms.info[key] = array.item() if array.size == 1 else array


def _short(key: str, columns: Mapping[str, Any]) -> str:
    """The column's name: ``targets.regression.energy_total`` → ``energy_total``; hyphens become ``_``."""
    name = key.removesuffix(".value").replace("-", "_").replace(" ", "_").replace(".__dict__.", ".")
    for prefix in ("targets.regression.", "targets.classification.", "targets."):
        name = name.removeprefix(prefix)
    if name == "y" and any(_last(k) in ("force", "forces", "sid", "tags") for k in columns):
        return "energy"
    return name


def _id(flat: Mapping[str, Any]) -> str:
    if "sid" in flat:
        sid = _text(flat["sid"])
        return f"{sid}/{_text(flat['fid'])}" if "fid" in flat else sid
    return next((_text(flat[k]) for k in IDS if k in flat and np.size(flat[k]) == 1), "")


def _text(value: Any) -> str:
    return str(np.asarray(value).reshape(-1)[0].item()) if not isinstance(value, str) else value


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _above(key: str) -> str:
    return key.rpartition(".")[0]
