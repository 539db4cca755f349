"""Write ``src/atomscape/nn/elements.csv``: what the periodic table says about each element.

Columns: atomic number, symbol, period, group (lanthanides and actinides 3), electrons in the s, p, d and f
shells outside the noble-gas core (empty beyond lawrencium), covalent radius in Å (Cordero et al. 2008, in
ASE), Pauling electronegativity (CRC Handbook, through pymatgen; empty where none is defined).

Run: ``python scripts/make_elements.py`` (needs pymatgen).
"""

import csv
import math
import warnings
from pathlib import Path

from ase.data import covalent_radii
from pymatgen.core import Element

OUT = Path(__file__).parents[1] / "src/atomscape/nn/elements.csv"
HEADER = ("Z", "symbol", "period", "group", "s", "p", "d", "f", "covalent_radius", "electronegativity")


def valence(element: Element) -> list:
    """Electrons outside the noble-gas core, by s, p, d, f; empty where no configuration is tabulated."""
    if element.Z > 103:
        return [""] * 4
    shells = [part for part in element.electronic_structure.split(".") if not part.startswith("[")]
    return [sum(int(part[2:]) for part in shells if part[1] == kind) for kind in "spdf"]


def row(z: int) -> list:
    """One line of the table."""
    element = Element.from_Z(z)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns where no electronegativity is defined
        x = float(element.X)
    radius = (
        "" if covalent_radii[z] == 0.2 else round(float(covalent_radii[z]), 2)
    )  # ASE's mark for "unknown"
    return [
        z,
        element.symbol,
        element.row,
        element.group,
        *valence(element),
        radius,
        "" if math.isnan(x) else x,
    ]


def main() -> None:
    """Write the table."""
    with OUT.open("w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(row(z) for z in range(1, 119))


if __name__ == "__main__":
    main()
