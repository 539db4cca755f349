// The data of the page, read from its manifest and packed arrays (see contents.py for how they are written).
import { unpack } from "./pack.js";

/** Everything but the structures, which are read when the first is looked at. */
export async function openData(manifest) {
  const read = (blob) => unpack(blob.id, blob.dtype);
  const [ids, formulaTable, formulaCodes, datasetCodes] = await Promise.all(
    [manifest.ids, manifest.formulas.table, manifest.formulas.codes, manifest.dataset.codes].map(read),
  );
  const projections = await Promise.all(
    manifest.projections.map(async ({ name, xy }) => ({
      name,
      xy: await read(xy),
      ...notesOf(name, manifest.notes),
    })),
  );
  const columns = await Promise.all(manifest.columns.map((column) => readColumn(column, read)));
  const dataset = {
    name: "dataset",
    unit: "",
    kind: "category",
    table: manifest.dataset.table,
    codes: datasetCodes,
  };
  return {
    n: manifest.n,
    title: manifest.title,
    notes: manifest.notes,
    provenance: manifest.provenance,
    elements: manifest.elements,
    ids,
    formulaTable,
    formulaCodes,
    projections,
    dataset,
    columns: new Map([dataset, ...columns].map((c) => [c.name, c])),
    structures: structureReader(manifest.structures, manifest.n, read),
    formula: (i) => formulaTable[formulaCodes[i]],
    datasetOf: (i) => dataset.table[datasetCodes[i]],
  };
}

async function readColumn({ name, unit, kind, values, table, codes }, read) {
  if (kind === "number") return { name, unit, kind, values: await read(values) };
  return { name, unit, kind, table: await read(table), codes: await read(codes) };
}

/** Axis labels of a projection, "PCA 1 (34 %)", and the notes that mention it, without its name. */
export function notesOf(name, notes) {
  const axes = [1, 2].map((k) => {
    const note = notes.find(([label]) => label === `${name} ${k}`);
    return note ? `${name} ${k} (${note[1]})` : `${name} ${k}`;
  });
  const words = (label) =>
    label
      .split(/\s+/)
      .filter((w) => w !== name)
      .join(" ");
  const figures = notes
    .filter(([label]) => label.split(/\s+/).includes(name) && !/^[12]$/.test(words(label)))
    .map(([label, value]) => [words(label), value]);
  return { axes, figures };
}

/** Reader of structures: `load()` once, then `has(i)` and `get(i)`. */
function structureReader(manifest, n, read) {
  if (!manifest) {
    return { count: 0, of: n, load: async () => {}, ready: () => true, has: () => false, get: () => null };
  }
  let loading = null,
    arrays = null;
  const load = () =>
    (loading ??= readStructures(manifest, n, read).then((a) => {
      arrays = a;
    }));
  const slot = (i) => arrays.slots[i] - 1;
  return {
    count: manifest.count,
    of: manifest.of,
    load,
    ready: () => arrays !== null,
    has: (i) => arrays !== null && slot(i) >= 0,
    get: (i) => (arrays !== null && slot(i) >= 0 ? structureAt(arrays, slot(i), manifest.step) : null),
  };
}

async function readStructures(manifest, n, read) {
  const names = ["counts", "numbers", "positions", "periodic", "cells"];
  const arrays = Object.fromEntries(await Promise.all(names.map(async (k) => [k, await read(manifest[k])])));
  const rows = manifest.rows ? await read(manifest.rows) : null;
  const slots = new Uint32Array(n),
    m = manifest.count;
  for (let k = 0; k < m; k++) slots[rows ? rows[k] : k] = k + 1;
  const first = new Uint32Array(m + 1),
    cell = new Uint32Array(m + 1);
  for (let k = 0; k < m; k++) {
    first[k + 1] = first[k] + arrays.counts[k];
    cell[k + 1] = cell[k] + (arrays.periodic[k] ? 1 : 0);
  }
  return { ...arrays, slots, first, cell };
}

function structureAt({ first, cell, numbers, positions, periodic, cells }, k, step) {
  const a = first[k],
    b = first[k + 1],
    c = 9 * cell[k],
    pbc = periodic[k];
  return {
    numbers: numbers.subarray(a, b),
    positions: Float64Array.from(positions.subarray(3 * a, 3 * b), (v) => v * step),
    cell: pbc ? [0, 3, 6].map((r) => [...cells.subarray(c + r, c + r + 3)]) : null,
    pbc: [1, 2, 4].map((bit) => (pbc & bit) !== 0),
  };
}
