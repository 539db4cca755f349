"""Units: the house's own, the factors into them (CODATA 2022), and ``convert`` for any unit written as text.

Inside atomscape: Å, eV, eV/Å, eV/Å³ (tension positive), fs, e, K, e·Å for dipoles, Å³ for polarizabilities,
eV/K for heat capacities. A reader converts once: ``energies * HARTREE`` or ``convert(energies, "Ha", "eV")``.

A unit is a product of powers: ``kcal/mol``, ``e·Å`` or ``e*Å``, ``a0^3``, ``Å³``, ``cal/mol/K``,
``kJ/(mol·K)``, ``eV Å⁻³``. Each ``/`` divides by the one factor after it. Metric prefixes f p n µ m c k M G T
go with eV, J, cal, Ha, Pa, bar, m, s, g, V, Hz, N, C, T and K. A mole is Avogadro's number, so kcal/mol is an
energy; ``atom`` counts atoms, so eV/atom is not. A number in front scales: ``1e-3 Å``.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from functools import cache
from typing import TypeVar

ELEMENTARY_CHARGE = 1.602176634e-19  # C, exact
AVOGADRO = 6.02214076e23  # 1/mol, exact
SPEED_OF_LIGHT = 299792458.0  # m/s, exact
BOLTZMANN = 1.380649e-23 / ELEMENTARY_CHARGE  # eV/K, exact

HARTREE = 27.211386245981  # eV
RYDBERG = HARTREE / 2  # eV
MEV = 1e-3  # eV
KJ_PER_MOL = 1e3 / (AVOGADRO * ELEMENTARY_CHARGE)  # eV
KCAL_PER_MOL = 4.184 * KJ_PER_MOL  # eV; thermochemical calorie, 4.184 J
CAL_PER_MOL_K = 1e-3 * KCAL_PER_MOL  # eV/K
BOHR = 0.529177210544  # Å
DEBYE = 1e-11 / SPEED_OF_LIGHT / ELEMENTARY_CHARGE  # e·Å; 1 D = 10⁻²¹/c C·m
GPA = 1e-21 / ELEMENTARY_CHARGE  # eV/Å³
KBAR = GPA / 10  # eV/Å³
DALTON = 1.66053906892e-27 / ELEMENTARY_CHARGE * 1e10  # eV fs²/Å²
BOHR_MAGNETON = 5.7883817982e-5  # eV/T

Value = TypeVar("Value")
"""A number, or an array or tensor of numbers."""

_DIMENSIONS = ("energy", "length", "time", "charge", "temperature", "atoms")
_PLAIN = (0, 0, 0, 0, 0, 0)

# Unit → size in eV, Å, fs, e, K, atoms, and its powers of those; mass is energy × time²/length².
_ENERGY, _LENGTH, _TIME = (1, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0)
_CHARGE, _VOLTAGE, _FIELD = (0, 0, 0, 1, 0, 0), (1, 0, 0, -1, 0, 0), (1, -2, 1, -1, 0, 0)
_MASS, _PRESSURE = (1, -2, 2, 0, 0, 0), (1, -3, 0, 0, 0, 0)
_UNITS: dict[tuple[str, ...], tuple[float, tuple[int, ...]]] = {
    ("Ry", "Rydberg", "rydberg"): (RYDBERG, _ENERGY),
    ("Å", "Ang", "ang", "Angstrom", "angstrom", "Ångström"): (1.0, _LENGTH),
    ("bohr", "Bohr", "a0", "a₀"): (BOHR, _LENGTH),
    ("e",): (1.0, _CHARGE),
    ("D", "Debye", "debye"): (DEBYE, (0, 1, 0, 1, 0, 0)),
    ("u", "amu", "Da"): (DALTON, _MASS),
    ("me", "mₑ"): (9.1093837139e-31 / ELEMENTARY_CHARGE * 1e10, _MASS),
    ("μB", "muB", "uB"): (BOHR_MAGNETON * 1e5, (0, 2, -1, 1, 0, 0)),
    ("kB",): (BOLTZMANN, (1, 0, 0, 0, -1, 0)),
    ("mol",): (AVOGADRO, _PLAIN),
    ("ppm",): (1e-6, _PLAIN),
    ("atom", "atoms"): (1.0, (0, 0, 0, 0, 0, 1)),
}
_PREFIXABLE: dict[tuple[str, ...], tuple[float, tuple[int, ...]]] = {
    ("eV",): (1.0, _ENERGY),
    ("J",): (1 / ELEMENTARY_CHARGE, _ENERGY),
    ("cal",): (4.184 / ELEMENTARY_CHARGE, _ENERGY),
    ("Ha", "Hartree", "hartree", "Eh"): (HARTREE, _ENERGY),
    ("m",): (1e10, _LENGTH),
    ("s",): (1e15, _TIME),
    ("g",): (1e-3 / ELEMENTARY_CHARGE * 1e10, _MASS),
    ("Pa",): (1e-30 / ELEMENTARY_CHARGE, _PRESSURE),
    ("bar",): (1e-25 / ELEMENTARY_CHARGE, _PRESSURE),
    ("N",): (1e-10 / ELEMENTARY_CHARGE, (1, -1, 0, 0, 0, 0)),
    ("Hz",): (1e-15, (0, 0, -1, 0, 0, 0)),
    ("C",): (1 / ELEMENTARY_CHARGE, _CHARGE),
    ("V",): (1.0, _VOLTAGE),
    ("T",): (1e-5, _FIELD),
    ("K",): (1.0, (0, 0, 0, 0, 1, 0)),
}
_PREFIXES = {"f": -15, "p": -12, "n": -9, "μ": -6, "m": -3, "c": -2, "k": 3, "M": 6, "G": 9, "T": 12}


def _symbols() -> dict[str, tuple[float, tuple[int, ...]]]:
    """Every symbol that can be written; a unit's own name wins over prefix and unit (``me``, ``mol``)."""
    plain = {name: unit for names, unit in (_UNITS | _PREFIXABLE).items() for name in names}
    scaled = {
        prefix + name: (size * 10**power if power > 0 else size / 10**-power, powers)
        for names, (size, powers) in _PREFIXABLE.items()
        for name in names
        for prefix, power in _PREFIXES.items()
    }
    return scaled | plain


_SYMBOLS = _symbols()
_NAMES = [names[0] for names in _UNITS | _PREFIXABLE]
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?(?![a-zA-Z]))|(?P<symbol>[a-zA-ZÅöα-ω]+[0₀ₑ]?(?![\da-zA-ZÅöα-ω]))"
    r"|(?P<power>(?:\^|\*\*)\s*\(?[+-]?\d+\)?|[⁻⁰¹²³⁴-⁹]+|-\d+)|(?P<sign>[*·⋅×/()]))\s*"
)


def convert(value: Value, from_unit: str, to_unit: str) -> Value:
    """Express a number, array or tensor given in one unit in another: ``convert(1.0, "Ha", "eV")``.

    Raises
    ------
    ValueError
        A unit cannot be read, is not known (with a suggestion), or the two measure different things.
    """
    return value * conversion_factor(from_unit, to_unit)  # type: ignore[operator]


@cache
def conversion_factor(from_unit: str, to_unit: str) -> float:
    """The number of ``to_unit`` in one ``from_unit``; raises as :func:`convert`."""
    size, powers = parse(from_unit)
    other_size, other_powers = parse(to_unit)
    if powers != other_powers:
        raise ValueError(
            f"cannot convert {from_unit!r} to {to_unit!r}: the first measures {_meaning(powers)}, "
            f"the second {_meaning(other_powers)}{_advice(powers, other_powers)}"
        )
    return size / other_size


@cache
def parse(unit: str) -> tuple[float, tuple[int, ...]]:
    """Size of a unit in eV, Å, fs, e, K and atoms, and its powers of those six; raises as :func:`convert`."""
    text = unicodedata.normalize("NFC", unit).replace("\u00b5", "μ").strip()
    tokens, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(
                f"cannot read the unit {unit!r} at {text[at:]!r}; write for instance 'kcal/mol' or 'eV/Å³'"
            )
        tokens.append((found.lastgroup or "", found[found.lastgroup or 0]))
        at = found.end()
    if not tokens:
        raise ValueError("the unit is empty; write '1' for a plain number")
    size, powers, rest = _product(unit, tokens)
    if rest:
        raise ValueError(
            f"cannot read the unit {unit!r}; write for instance 'kcal/mol', 'e·Å', 'eV/Å³' or '1'"
        )
    return size, powers


_Tokens = list[tuple[str, str]]


def _product(unit: str, tokens: _Tokens) -> tuple[float, tuple[int, ...], _Tokens]:
    """Read factors joined by · or / until the end or a closing bracket."""
    size, powers = 1.0, _PLAIN
    joined = 1
    while True:
        factor, its_powers, tokens = _factor(unit, tokens)
        size *= factor**joined
        powers = tuple(a + joined * b for a, b in zip(powers, its_powers, strict=True))
        if not tokens or tokens[0] == ("sign", ")"):
            return size, powers, tokens
        joined = 1
        if tokens[0][0] == "sign" and tokens[0][1] != "(":
            joined = -1 if tokens[0][1] == "/" else 1
            tokens = tokens[1:]


def _factor(unit: str, tokens: _Tokens) -> tuple[float, tuple[int, ...], _Tokens]:
    """Read one symbol, number or bracket, and the power it is raised to."""
    kind, text = tokens[0] if tokens else ("", "")
    if kind == "number":
        size, powers, tokens = float(text), _PLAIN, tokens[1:]
    elif kind == "symbol":
        if text not in _SYMBOLS:
            raise ValueError(_unknown(unit, text))
        (size, powers), tokens = _SYMBOLS[text], tokens[1:]
    elif text == "(":
        size, powers, tokens = _product(unit, tokens[1:])
        if not tokens:
            raise ValueError(f"the unit {unit!r} has a bracket that is not closed")
        tokens = tokens[1:]
    else:
        raise ValueError(f"the unit {unit!r} has {text or 'its end'!r} where a unit should stand")
    if tokens and tokens[0][0] == "power":
        n = int(re.sub(r"[\^*()\s]", "", tokens[0][1].translate(_SUPERSCRIPTS)))
        size, powers, tokens = size**n, tuple(n * p for p in powers), tokens[1:]
    return size, powers, tokens


def _unknown(unit: str, symbol: str) -> str:
    """What to say about a symbol that is not known; another spelling of capitals is the likeliest."""
    if symbol == "A":
        return f"the unit {unit!r} has 'A', which may be ångström or ampere; write 'Å' or 'Ang'"
    same = [known for known in _SYMBOLS if known.casefold() == symbol.casefold()]
    near = same or get_close_matches(symbol, list(_SYMBOLS), n=1, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else f"; known are {', '.join(_NAMES)}"
    where = "" if unit == symbol else f" in {unit!r}"
    return f"unit {symbol!r}{where} is not known{hint}"


def _meaning(powers: tuple[int, ...]) -> str:
    """Dimensions in words: ``energy·length^-3``."""
    parts = [name + (f"^{p}" if p != 1 else "") for name, p in zip(_DIMENSIONS, powers, strict=True) if p]
    return "·".join(parts) or "a plain number"


def _advice(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    """The usual slip: per atom or not."""
    if a[:5] == b[:5]:
        return "; multiply or divide by the number of atoms first"
    return ""
