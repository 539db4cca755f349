// A structure made ready for drawing: atoms (with images on the faces of the cell), bonds, edges of the cell.
import {
  add,
  combine,
  cross,
  dot,
  norm,
  principalAxes,
  product,
  reciprocal,
  rotation,
  subtract,
  times,
  turn,
  unit,
} from "./vector.js";

const FACE = 0.05; // Å within which an atom lies on a face and is drawn on the opposite face too
const NONMETALS = new Set([1, 6, 7, 8, 9, 15, 16, 17, 33, 34, 35, 52, 53]);
const MOST_STUBS = 6; // atoms with more neighbours show no bonds out of the cell: they would look like thorns
const BETWEEN = new Set([5, 14, 32, 51]); // elements that bond to metals and to themselves alike

/** Longest bond of two elements in Å: their covalent radii and some slack. */
export function bondLimit(a, b, radii) {
  return 1.1 * (radii[a] + radii[b]) + 0.25;
}

/**
 * Make the scene. `structure` is {numbers, positions, cell, pbc} in Å. Returns atoms [{z, at}], bonds [{a,
 * b, from, to, half}] (half: towards an atom that is not drawn, to its middle), edges [{from, to, axis}],
 * the turn that was applied, and the radius of it all. The middle is at the origin.
 */
export function makeScene(structure, elements) {
  const { numbers, positions, pbc } = structure;
  const at = Array.from(numbers, (_, i) => [...positions.subarray(3 * i, 3 * i + 3)]);
  const cell = structure.cell && completed(structure.cell, pbc);
  const cellAtoms = cell ? at.map((r) => wrapped(r, cell, pbc)) : at;
  const drawn = cell ? withImages(cellAtoms, cell, pbc) : at.map((r, i) => ({ i, shift: [0, 0, 0], at: r }));
  const atoms = drawn.map(({ i, at: r }) => ({ z: numbers[i], i, at: r }));
  const bonds = findBonds(drawn, cellAtoms, numbers, cell, pbc, elements.radii);
  const edges = cell ? cellEdges(cell, pbc) : [];
  return placed(atoms, bonds, edges, cell);
}

// Rows of non-periodic axes may be zero: replace them by unit vectors that stand across the others.
function completed(cell, pbc) {
  const rows = cell.map((row, k) => (pbc[k] && norm(row) > 1e-9 ? row : null));
  const given = rows.filter(Boolean);
  for (let k = 0; k < 3; k++) {
    if (rows[k]) continue;
    const others = rows.filter(Boolean),
      trial =
        others.length === 2
          ? cross(...others)
          : [
              [1, 0, 0],
              [0, 1, 0],
              [0, 0, 1],
            ]
              .map((e) => others.reduce((v, o) => subtract(v, times(unit(o), dot(v, unit(o)))), e))
              .sort((a, b) => norm(b) - norm(a))[0];
    rows[k] = unit(trial);
  }
  return given.length ? rows : null;
}

function wrapped(r, cell, pbc) {
  const inverse = reciprocal(cell),
    f = inverse.map((row) => dot(row, r));
  return combine(
    f.map((v, k) => (pbc[k] ? v - Math.floor(v + FACE * norm(inverse[k])) : v)),
    cell,
  );
}

function withImages(atoms, cell, pbc) {
  const inverse = reciprocal(cell),
    list = [];
  atoms.forEach((r, i) => {
    const f = inverse.map((row) => dot(row, r));
    const ends = [0, 1, 2].map((k) => (pbc[k] && Math.abs(f[k]) < FACE * norm(inverse[k]) ? [0, 1] : [0]));
    for (const a of ends[0])
      for (const b of ends[1])
        for (const c of ends[2]) {
          list.push({ i, shift: [a, b, c], at: add(r, combine([a, b, c], cell)) });
        }
  });
  return list;
}

function findBonds(drawn, atoms, numbers, cell, pbc, radii) {
  const largest = Math.max(0, ...[...new Set(numbers)].map((z) => radii[z])),
    cutoff = 2.2 * largest + 0.25;
  const ionic = numbers.some((z) => NONMETALS.has(z));
  const metal = (z) => !NONMETALS.has(z) && !BETWEEN.has(z);
  const near = neighbourhood(allImages(atoms, cell, pbc, cutoff), cutoff);
  const number = new Map(drawn.map((d, k) => [`${d.i} ${d.shift}`, k])),
    bonds = [];
  drawn.forEach((d, k) =>
    near(d.at, (other) => {
      const za = numbers[d.i],
        zb = numbers[other.i],
        length = norm(subtract(other.at, d.at));
      if (length < 0.3 || length > bondLimit(za, zb, radii) || (ionic && metal(za) && metal(zb))) return;
      const partner = number.get(`${other.i} ${other.shift}`);
      if (partner !== undefined && partner <= k) return;
      const half = partner === undefined;
      bonds.push({
        a: k,
        b: half ? -1 : partner,
        from: d.at,
        to: half ? times(add(d.at, other.at), 0.5) : other.at,
        half,
        za,
        zb,
      });
    }),
  );
  const neighbours = new Uint16Array(drawn.length);
  for (const { a, b } of bonds) {
    neighbours[a]++;
    if (b >= 0) neighbours[b]++;
  }
  return bonds.filter(({ a, half }) => !half || neighbours[a] <= MOST_STUBS);
}

// Every image of an atom that can bond to one in the drawn cell.
function allImages(atoms, cell, pbc, cutoff) {
  if (!cell) return atoms.map((at, i) => ({ i, shift: [0, 0, 0], at }));
  const inverse = reciprocal(cell),
    reach = inverse.map((row) => norm(row) * cutoff),
    list = [];
  atoms.forEach((at, i) => {
    const f = inverse.map((row) => dot(row, at));
    const span = [0, 1, 2].map((k) => {
      const shifts = [];
      for (
        let s = pbc[k] ? Math.floor(-reach[k] - f[k]) : 0;
        s <= (pbc[k] ? Math.ceil(1 + reach[k] - f[k]) : 0);
        s++
      )
        shifts.push(s);
      return shifts;
    });
    for (const a of span[0])
      for (const b of span[1])
        for (const c of span[2]) {
          list.push({ i, shift: [a, b, c], at: add(at, combine([a, b, c], cell)) });
        }
  });
  return list;
}

// Look-up of what lies within one box of edge `cutoff` and its neighbours.
function neighbourhood(points, cutoff) {
  const boxes = new Map(),
    box = (r) => r.map((v) => Math.floor(v / cutoff));
  for (const p of points) {
    const key = box(p.at).join();
    if (!boxes.has(key)) boxes.set(key, []);
    boxes.get(key).push(p);
  }
  return (at, visit) => {
    const [x, y, z] = box(at);
    for (let a = -1; a < 2; a++)
      for (let b = -1; b < 2; b++)
        for (let c = -1; c < 2; c++) {
          boxes.get([x + a, y + b, z + c].join())?.forEach(visit);
        }
  };
}

// Edges along the periodic axes: twelve in a crystal, four in a slab, one in a chain.
function cellEdges(cell, pbc) {
  const axes = [0, 1, 2].filter((k) => pbc[k]),
    edges = [];
  for (const axis of axes) {
    const others = axes.filter((k) => k !== axis);
    for (let corner = 0; corner < 2 ** others.length; corner++) {
      const from = others.reduce((r, k, bit) => ((corner >> bit) & 1 ? add(r, cell[k]) : r), [0, 0, 0]);
      edges.push({ from, to: add(from, cell[axis]), axis, first: corner === 0 });
    }
  }
  return edges;
}

// Turn to a good first view and move the middle to the origin.
function placed(atoms, bonds, edges, cell) {
  const points = [...atoms.map((a) => a.at), ...edges.flatMap((e) => [e.from, e.to])];
  const low = [0, 1, 2].map((k) => Math.min(...points.map((p) => p[k])));
  const high = [0, 1, 2].map((k) => Math.max(...points.map((p) => p[k])));
  const middle = edges.length
    ? times(add(low, high), 0.5)
    : times(
        atoms.reduce((s, a) => add(s, a.at), [0, 0, 0]),
        1 / atoms.length,
      );
  const turned = cell ? crystalView(cell) : moleculeView(points, middle);
  const move = (r) => turn(turned, subtract(r, middle));
  const radius = Math.max(...points.map((p) => norm(subtract(p, middle))));
  const letters = edges
    .filter((e) => e.first)
    .map((e) => ({
      text: "abc"[e.axis],
      at: move(add(e.to, times(unit(subtract(e.to, e.from)), 0.65 + 0.04 * radius))),
    }));
  return {
    letters,
    atoms: atoms.map((a) => ({ ...a, at: move(a.at) })),
    bonds: bonds.map((b) => ({ ...b, from: move(b.from), to: move(b.to) })),
    edges: edges.map((e) => ({ ...e, from: move(e.from), to: move(e.to) })),
    turned,
    middle,
    radius,
  };
}

// c upwards, a to the right and slightly towards the viewer, seen from a little above.
function crystalView(cell) {
  const up = unit(cell[2]),
    a = cell[0],
    right = unit(subtract(a, times(up, dot(a, up))));
  return product(product(rotation("x", 0.24), rotation("y", -0.42)), [right, up, cross(right, up)]);
}

// The flat side of a molecule towards the viewer, its longest extent to the right, tilted a little.
function moleculeView(points, middle) {
  const m = [0, 1, 2].map((i) =>
    [0, 1, 2].map((j) => points.reduce((s, p) => s + (p[i] - middle[i]) * (p[j] - middle[j]), 0)),
  );
  const [x, y] = principalAxes(m);
  return product(product(rotation("x", 0.4), rotation("y", -0.25)), [x, y, cross(x, y)]);
}
