"""Native code of the many-body product, written from its polynomials. Lanes are channels.

With p_path,M the polynomials, S = Σ_M g_M B_M, and ' the derivative along given directions of A and w,

    forward:   B_M = Σ_path w_path p_path,M(A)
    backward:  ∂S/∂A_a = Σ_path w_path ∂p_path/∂A_a,   ∂S/∂w_path = p_path,   p_path = Σ_M g_M p_path,M
    second:    (∂S/∂A)', (∂S/∂w)' and B': gradients with respect to A, w and g of the backward pass

Monomials A_a A_b A_c with a ≤ b ≤ c form a tree: the product of a monomial is that of its head times one more
row. The gradient of a path is pulled back through the tree, leaf by leaf; the root then holds p_path itself.

Atoms are taken species by species, in batches that fit the first-level cache with all that is summed for
them. The code of one group of paths runs over all of a batch before the next, so that it stays in the
instruction cache. A task is some atoms of one species and one block of channels; each writes a sum for the
weights of its own, so that no two threads write to one place and the result does not depend on their number.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from atomscape.ops.jit.dual import Dual
from atomscape.ops.jit.lanes import Program, Value
from atomscape.ops.symmetric_contraction import Monomial, SymmetricCoupling

BATCH = 8
"""Atoms in a batch."""

_LIMIT = 600
"""Terms in a group: more code reuses more products, but is slower to compile and outgrows the caches."""

Polynomial = dict[Monomial, dict[int, float]]


class Kernel(NamedTuple):
    """What a kernel reads and writes for each atom, the weights it reads, and if it sums their gradient."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    weights: tuple[str, ...]
    sums_weights: bool


KERNELS = {
    "forward": Kernel(("A",), ("out",), ("w",), False),
    "backward_A": Kernel(("A", "g"), ("dA",), ("w",), False),
    "backward": Kernel(("A", "g"), ("dA",), ("w",), True),
    "second": Kernel(("A", "vA", "g"), ("dA", "out"), ("w",), True),
    "second_w": Kernel(("A", "vA", "g"), ("dA", "out"), ("w", "vw"), True),
}


def arguments(kernel: Kernel) -> tuple[str, ...]:
    """Names of a kernel's arguments in order; ``dw`` is the weights' sums."""
    sums = ("dw",) if kernel.sums_weights else ()
    return (*kernel.reads, *kernel.writes, *kernel.weights, *sums, "order", "items", "tasks", "channels")


def rows_of(name: str, coupling: SymmetricCoupling) -> int:
    """Rows of an argument for each atom: those of the output for ``out`` and ``g``, else of the features."""
    return coupling.lm_out if name in ("out", "g") else coupling.lm_in


def write(kind: str, coupling: SymmetricCoupling, number: str, lanes: int) -> str:
    """LLVM IR of one kernel.

    ``items`` are triples (first, last + 1, species) of places in ``order``, which lists atoms; a task is an
    item and a block of channels. The weights' sums are [items, paths, channels].
    """
    kernel, p = KERNELS[kind], Program(f"symmetric_contraction_{kind}", number, lanes)
    sums = ("dw",) if kernel.sums_weights else ()
    *names, _, _ = arguments(kernel)
    given = {name: p.pointer(k) for k, name in enumerate(names)}
    tasks, channels = p.integer(len(names)), p.integer(len(names) + 1)
    paths = len(coupling.paths)
    local = {name: p.buffer(BATCH * rows_of(name, coupling) * lanes) for name in kernel.reads + kernel.writes}
    local |= {name: p.buffer(paths * lanes) for name in kernel.weights + sums}
    blocks = (channels + (lanes - 1)) / lanes
    with p.range(tasks * p.thread / p.threads, tasks * (p.thread + 1) / p.threads) as task:
        item = task / blocks
        start = (task - item * blocks) * lanes
        far = _Far(p, given, start, channels, p.first(channels - start))
        first, stop, species = (p.read(given["items"], item * 3 + k, "i64") for k in range(3))
        for name in kernel.weights:
            far.fetch(name, species, paths, local[name])
        for name in sums:
            _clear(p, local[name], paths)
        with p.range(first, stop, BATCH) as begin:
            _batch(kernel, coupling, far, local, begin, p.smaller(stop - begin, p.like(BATCH, begin)))
        for name in sums:
            far.deliver(name, item, paths, local[name])
    return p.text


class _Far(NamedTuple):
    """One block of channels of the arguments [anything, rows, channels]."""

    p: Program
    given: dict[str, Value]
    start: Value
    channels: Value
    mask: Value

    def fetch(self, name: str, index: Value, rows: int, to: Value) -> None:
        """Copy the rows of one index to a buffer."""
        place = self._at(name, index, rows)
        with self.p.range(0, rows) as row:
            self.p.store(self.p.load(place, row * self.channels, self.mask), to, row * self.p.lanes)

    def deliver(self, name: str, index: Value, rows: int, source: Value) -> None:
        """Copy a buffer to the rows of one index."""
        place = self._at(name, index, rows)
        with self.p.range(0, rows) as row:
            self.p.store(self.p.load(source, row * self.p.lanes), place, row * self.channels, self.mask)

    def _at(self, name: str, index: Value, rows: int) -> Value:
        return self.p.at(self.given[name], index * self.channels * rows + self.start)


def _batch(
    kernel: Kernel,
    coupling: SymmetricCoupling,
    far: _Far,
    local: dict[str, Value],
    begin: Value,
    atoms: Value,
) -> None:
    """Copy the rows of some atoms in, run all groups over them, copy the results out."""
    p = far.p
    rows = {name: rows_of(name, coupling) for name in kernel.reads + kernel.writes}

    def near(k: Value) -> dict[str, Value]:
        return {name: p.at(local[name], k * (n * p.lanes)) for name, n in rows.items()}

    with p.range(0, atoms) as k:
        atom = p.read(far.given["order"], begin + k, "i64")
        for name in kernel.reads:
            far.fetch(name, atom, rows[name], near(k)[name])
    for name in kernel.writes:
        _clear(p, local[name], BATCH * rows[name])
    for group in _groups(coupling):
        with p.range(0, atoms) as k:
            _group(p, kernel, coupling, group, {**local, **near(k)})
    with p.range(0, atoms) as k:
        atom = p.read(far.given["order"], begin + k, "i64")
        for name in kernel.writes:
            far.deliver(name, atom, rows[name], near(k)[name])


def _clear(p: Program, buffer: Value, rows: int) -> None:
    with p.range(0, rows) as row:
        p.store(p.constant(0.0), buffer, row * p.lanes)


def _groups(coupling: SymmetricCoupling) -> list[list[int]]:
    """Paths, those with the same factors next to one another, in groups of limited size."""
    paths = sorted(range(len(coupling.paths)), key=lambda n: coupling.paths[n].factors)
    found: list[list[int]] = []
    size = 0
    for n in paths:
        terms = sum(len(rows) for rows in coupling.polynomials[n].values())
        if not found or size + terms > _LIMIT:
            found.append([])
            size = 0
        found[-1].append(n)
        size += terms
    return found


def _group(
    p: Program, kernel: Kernel, coupling: SymmetricCoupling, group: list[int], near: dict[str, Value]
) -> None:
    """Formulae of one group for one atom; results are added to what is in the buffers."""
    polynomials = {n: coupling.polynomials[n] for n in group}
    A = _Loads(p, near["A"], near.get("vA"))
    w = _Loads(p, near["w"], near.get("vw"))
    found: list[tuple[str, dict[int, Dual]]] = []
    if "out" in kernel.writes:
        found.append(("out", _forward(polynomials, A, w)))
    if "dA" in kernel.writes:
        dA, dw = _backward(polynomials, A, w, _Loads(p, near["g"]))
        found += [("dA", dA), ("dw", dw)] if kernel.sums_weights else [("dA", dA)]
    for name, numbers in found:
        for row, number in numbers.items():
            result = number.tangent if "vA" in near else number.value
            if result is not None:
                p.store(p.load(near[name], row * p.lanes) + result, near[name], row * p.lanes)


class _Loads:
    """Rows of a buffer as dual numbers, and their products, each made once."""

    def __init__(self, p: Program, values: Value, tangents: Value | None = None) -> None:
        self._p, self._values, self._tangents = p, values, tangents
        self._products: dict[Monomial, Dual] = {}

    def __getitem__(self, monomial: Monomial) -> Dual:
        """Product of some rows."""
        if monomial not in self._products:
            self._products[monomial] = self._make(monomial)
        return self._products[monomial]

    def _make(self, monomial: Monomial) -> Dual:
        *head, last = monomial
        if head:
            return self[tuple(head)] * self[(last,)]
        place = last * self._p.lanes
        tangent = None if self._tangents is None else self._p.load(self._tangents, place)
        return Dual(self._p.load(self._values, place), tangent)


def _add(sums: dict, key: object, number: Dual) -> None:
    sums[key] = sums[key] + number if key in sums else number


def _forward(polynomials: dict[int, Polynomial], A: _Loads, w: _Loads) -> dict[int, Dual]:
    """Rows of the output: Σ_path w_path p_path,M."""
    maps: dict[tuple[int, int], Dual] = {}
    for monomial in sorted({m for polynomial in polynomials.values() for m in polynomial}):
        for path, polynomial in polynomials.items():
            for row, coefficient in polynomial.get(monomial, {}).items():
                _add(maps, (path, row), A[monomial] * coefficient)
    out: dict[int, Dual] = {}
    for (path, row), number in maps.items():
        _add(out, row, number * w[(path,)])
    return out


def _backward(
    polynomials: dict[int, Polynomial], A: _Loads, w: _Loads, g: _Loads
) -> tuple[dict[int, Dual], dict[int, Dual]]:
    """Gradients with respect to rows of A, and to the weights."""
    dA: dict[int, Dual] = {}
    dw: dict[int, Dual] = {}
    for path, polynomial in polynomials.items():
        factors: dict[tuple, Dual] = {}
        leaves: dict[Monomial, Dual] = {}
        for monomial, rows in polynomial.items():
            key = tuple(rows.items())
            if key not in factors:
                terms = [g[(row,)] * coefficient for row, coefficient in key]
                factors[key] = sum(terms[1:], start=terms[0])
            leaves[monomial] = factors[key]
        gradient: dict[int, Dual] = {}
        dw[path] = _pull(leaves, (), A, gradient)
        for row, number in gradient.items():
            _add(dA, row, number * w[(path,)])
    return dA, dw


def _pull(leaves: dict[Monomial, Dual], head: Monomial, A: _Loads, gradient: dict[int, Dual]) -> Dual:
    """Derivative of Σ leaf·monomial with respect to the product ``head``; adds those with respect to rows."""
    total: list[Dual] = []
    for row, group in groupby(leaves, key=lambda monomial: monomial[len(head)]):
        below = {monomial: leaves[monomial] for monomial in group}
        longer = (*head, row)
        number = below[longer] if longer in below else _pull(below, longer, A, gradient)
        _add(gradient, row, number * A[head] if head else number)
        total.append(number * A[(row,)])
    return sum(total[1:], start=total[0])
