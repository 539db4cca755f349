"""Radial weights inside the convolution's kernels: read from memory, or made for a few edges at a time.

- ``memory``: w[edge, path, channel] lies in memory, and so will its gradient.
- ``dense``: w[edge] = Σ_k h[edge, k] W[k], the last layer of a radial network.
- ``banded``: w[edge] = Σ_k h[edge, k] W[start[edge] + k], a few neighbouring rows of a table.

The last two fill a tile of as many edges as there are lanes, and take the gradient of the tile apart before
the next one: dh = dw Wᵀ, dW = Σ_edges hᵀ dw. In second order w = h W meets c = d W + h D, for the cotangents
d and D of dh and dW; then dh = dw Wᵀ + dc Dᵀ and dW = Σ hᵀ dw + dᵀ dc. dW is summed slice by slice.
"""

from __future__ import annotations

from dataclasses import dataclass

from atomscape.ops.jit.edges import edges_as_lanes
from atomscape.ops.jit.lanes import Program, Value
from atomscape.ops.jit.paths import Term
from atomscape.ops.jit.variant import Frame

TILES = ("w", "c", "dw", "dc")


@dataclass(frozen=True)
class Weights:
    """Where the rows of weights of an edge are, and what has to be done for it."""

    f: Frame
    tiles: dict[str, Value]
    factors: dict[str, Value]  # h and d of the edges of a tile, [k, lane]
    gradient: Value  # dh of the edges of a tile, [edge, k], k filled up to whole vectors

    @staticmethod
    def of(f: Frame) -> Weights:
        """Reserve what a variant needs."""
        p = f.p
        if f.v.radial == "memory":
            return Weights(f, {}, {}, p.thread)
        size = f.row["w"] * p.lanes
        mine = p.thread * size * len(TILES)
        tiles = {n: p.at(f.at["scratch"], mine + size * k) for k, n in enumerate(TILES)}
        names = ("h", "d")[: f.v.order]
        factors = {n: p.buffer(f.v.rank * p.lanes) for n in names}
        return Weights(f, tiles, factors, p.buffer(padded(f.v.rank, p.lanes) * p.lanes))

    def of_edge(self, edge: Value, k: Value, ahead: Value) -> dict[str, Value]:
        """Rows of an edge, the ``k``-th of its tile; ``ahead`` is an edge that comes a little later."""
        p, at, row = self.f.p, self.f.at, self.f.row["w"]
        if self.tiles:
            return {n: p.at(tile, k * row) for n, tile in self.tiles.items()}
        names = ("w", "c")[: self.f.v.order]
        found = {n: p.at(at[n], edge * row) for n in (*names, "dw")}
        return found | {f"{n} next": p.at(at[n], ahead * row) for n in names}

    def prepare(self, first: Value, count: Value) -> None:
        """Read the factors of a tile's edges."""
        p, at = self.f.p, self.f.at
        for name, to in self.factors.items():
            edges_as_lanes(p, at[name], to, at["order"], first, count, self.f.v.rank)
        if self.tiles:
            with p.range(0, self._width * p.lanes, p.lanes) as k:
                p.store(p.constant(0), self.gradient, k)

    def make(self, part: list[Term], first: Value, count: Value) -> None:
        """Fill the tiles of w (and c) for a group of paths."""
        if not self.tiles:
            return
        at, factors = self.f.at, self.factors
        products = {"w": [(factors["h"], at["W"])]}
        if self.f.v.order == 2:
            products["c"] = [(factors["d"], at["W"])]
            if self.f.v.both:
                products["c"].append((factors["h"], at["D"]))
        for name, pairs in products.items():
            if self.f.v.radial == "dense":
                self._product(part, self.tiles[name], pairs)
            else:
                self._band(part, self.tiles[name], first, count)

    def take_apart(self, part: list[Term], first: Value, count: Value, s: Value) -> None:
        """Add the gradient of a group of paths to dh, and to this slice's dW."""
        v, at = self.f.v, self.f.at
        if not self.tiles or not v.need[2]:
            return
        pairs = [("dw", "h", at["Wt"])]
        if v.order == 2:
            pairs.append(("dc", "d", at["Dt"]))
        for name, factor, turned in pairs:
            if v.radial == "banded":
                self._band_gradient(part, first, count)
                continue
            self._clear(part, self.tiles[name], count)
            if name == "dw" or v.both:
                self._factor_gradient(part, self.tiles[name], turned)
            if v.need_W:
                self._table_gradient(part, self.tiles[name], self.factors[factor], s)
        if part is self.f.parts[-1]:
            self._write_gradient(first, count)

    @property
    def _width(self) -> int:
        return padded(self.f.v.rank, self.f.p.lanes)

    def _columns(self, part: list[Term]) -> tuple[Value, Value]:
        c = self.f.at["channels"]
        return c * part[0].path, c * (part[-1].path + 1)

    def _mask(self, end: Value, column: Value) -> Value | None:
        return self.f.p.first(end - column) if self.f.v.tail else None

    def _product(self, part: list[Term], tile: Value, pairs: list[tuple[Value, Value]]) -> None:
        """tile[e] = Σ_k h[k, e] W[k]: one block of columns of all edges of the tile in registers."""
        p, row = self.f.p, self.f.row["w"]
        start, end = self._columns(part)
        with p.range(start, end, p.lanes) as column:
            mask = self._mask(end, column)
            sums = [p.variable(p.constant(0)) for _ in range(p.lanes)]
            for factors, W in pairs:
                with p.range(0, self.f.v.rank) as k:
                    rows, h = p.load(W, k * row + column, mask), p.at(factors, k * p.lanes)
                    for e, total in enumerate(sums):
                        total.set(p.fma(p.broadcast(p.read(h, e)), rows, total.get()))
            for e, total in enumerate(sums):
                p.store(total.get(), tile, row * e + column, mask)

    def _band(self, part: list[Term], tile: Value, first: Value, count: Value) -> None:
        p, row, at = self.f.p, self.f.row["w"], self.f.at
        start, end = self._columns(part)
        with p.range(0, count) as e:
            edge = p.read(at["order"], first + e, "i64")
            table = p.at(at["W"], p.read(at["start"], edge, "i64") * row)
            h = [p.broadcast(p.read(self.factors["h"], e + k * p.lanes)) for k in range(self.f.v.rank)]
            with p.range(start, end, p.lanes) as column:
                mask = self._mask(end, column)
                total = h[0] * p.load(table, column, mask)
                for k in range(1, self.f.v.rank):
                    total = p.fma(h[k], p.load(table, row * k + column, mask), total)
                p.store(total, tile, e * row + column, mask)

    def _band_gradient(self, part: list[Term], first: Value, count: Value) -> None:
        p, row, at = self.f.p, self.f.row["w"], self.f.at
        start, end = self._columns(part)
        with p.range(0, count) as e:
            edge = p.read(at["order"], first + e, "i64")
            table = p.at(at["W"], p.read(at["start"], edge, "i64") * row)
            sums = [p.variable(p.constant(0)) for _ in range(self.f.v.rank)]
            with p.range(start, end, p.lanes) as column:
                mask = self._mask(end, column)
                dw = p.load(self.tiles["dw"], e * row + column, mask)
                for k, total in enumerate(sums):
                    total.set(p.fma(dw, p.load(table, row * k + column, mask), total.get()))
            for k, total in enumerate(sums):
                _add(p, p.sum(total.get()), self.gradient, e * self._width + k)

    def _clear(self, part: list[Term], tile: Value, count: Value) -> None:
        """Zero the rows of a tile that no edge has filled."""
        p, row = self.f.p, self.f.row["w"]
        start, end = self._columns(part)
        with p.range(count, p.lanes) as e, p.range(start, end, p.lanes) as column:
            p.store(p.constant(0), tile, e * row + column, self._mask(end, column))

    def _factor_gradient(self, part: list[Term], tile: Value, turned: Value) -> None:
        """dh[e] += Σ_columns dw[e] Wᵀ[column]: a block of k of all edges of the tile in registers."""
        p, row, width = self.f.p, self.f.row["w"], self._width
        start, end = self._columns(part)
        for block in range(0, width, p.lanes):
            sums = [p.variable(p.load(self.gradient, e * width + block)) for e in range(p.lanes)]
            with p.range(start, end) as column:
                rows, dw = p.load(turned, column * width + block), p.at(tile, column)
                for e, total in enumerate(sums):
                    total.set(p.fma(p.broadcast(p.read(dw, row * e)), rows, total.get()))
            for e, total in enumerate(sums):
                p.store(total.get(), self.gradient, e * width + block)

    def _table_gradient(self, part: list[Term], tile: Value, factors: Value, s: Value) -> None:
        """dW[k] += Σ_e h[k, e] dw[e]: dw of one block of columns of all edges of the tile in registers."""
        p, row = self.f.p, self.f.row["w"]
        mine = p.at(self.f.at["dW"], s * self.f.v.rank * row)
        start, end = self._columns(part)
        with p.range(start, end, p.lanes) as column:
            mask = self._mask(end, column)
            dw = [p.load(tile, row * e + column, mask) for e in range(p.lanes)]
            with p.range(0, self.f.v.rank) as k:
                h = p.at(factors, k * p.lanes)
                chains = [p.load(mine, k * row + column, mask), *[p.constant(0)] * (min(4, p.lanes) - 1)]
                for e, value in enumerate(dw):
                    n = e % len(chains)
                    chains[n] = p.fma(p.broadcast(p.read(h, e)), value, chains[n])
                total = chains[0]
                for chain in chains[1:]:
                    total = total + chain
                p.store(total, mine, k * row + column, mask)

    def _write_gradient(self, first: Value, count: Value) -> None:
        p, at, rank = self.f.p, self.f.at, self.f.v.rank
        with p.range(0, count) as e:
            edge = p.read(at["order"], first + e, "i64")
            with p.range(0, rank) as k:
                p.put(p.read(self.gradient, e * self._width + k), at["dh"], edge * rank + k)


def padded(rank: int, lanes: int) -> int:
    """Factors of an edge, filled up to whole vectors: the length of a row of Wᵀ."""
    return -(-rank // lanes) * lanes


def _add(p: Program, number: Value, to: Value, index: Value) -> None:
    p.put(p.read(to, index) + number, to, index)
