// From the chosen property to a colour number per point, the colours, and what the legend needs.
import {
  MOST_CATEGORIES,
  SCALES,
  UNKNOWN,
  categoryTable,
  colourNumbers,
  makeScale,
  mapTable,
  mix,
  pixel,
  quantiles,
  rankCategories,
  usualScale,
} from "./colour.js";

/** Maker of colourings; remembers what is slow to compute. */
export function makeColouring(data) {
  const sorted = new Map(),
    ranked = new Map();
  const quantilesOf = (column) => {
    if (!sorted.has(column.name)) sorted.set(column.name, quantiles(column.values));
    return sorted.get(column.name);
  };
  const ranksOf = (column) => {
    if (!ranked.has(column.name)) ranked.set(column.name, rankCategories(column.table, column.codes));
    return ranked.get(column.name);
  };
  let last = {};
  const numbersOf = (column, kind) => {
    const key = `${column.name} ${kind}`;
    if (last.key !== key) {
      const scale = column.kind === "number" ? makeScale(kind, quantilesOf(column)) : null;
      const ranks = scale ? null : ranksOf(column);
      const numbers = scale
        ? colourNumbers(column.values, scale)
        : Uint8Array.from(column.codes, (c) => ranks.numbers[c]);
      const low = Uint8Array.from({ length: 256 }, (_, k) =>
        k === UNKNOWN || (ranks && k >= MOST_CATEGORIES) ? 1 : 0,
      );
      last = { key, scale, rows: ranks?.rows, numbers, low };
    }
    return last;
  };
  return {
    /** The scales that make sense for a property: no logarithm where nothing is positive. */
    scalesOf(column) {
      if (column.kind !== "number") return [];
      const positive = quantilesOf(column).some((v) => v > 0);
      return SCALES.filter(([kind]) => kind !== "log" || positive);
    },
    usual: (column) => (column.kind === "number" ? usualScale(quantilesOf(column)) : "linear"),
    /** {column, kind, scale or rows, numbers, low, table}. */
    of(name, kind, palette, theme) {
      const column = data.columns.get(name) ?? data.dataset;
      const table =
        column.kind === "number"
          ? mapTable(palette, theme.dark, theme.unknown)
          : categoryTable(theme.dark, theme.unknown);
      return { column, kind: column.kind, ...numbersOf(column, kind), table };
    },
  };
}

/** 32-bit pixels of a table of colours: first as they are, then pale, for points not chosen. */
export function pixelTable(table, theme) {
  const pale = theme.dark ? 0.8 : 0.84;
  return Uint32Array.from(
    [...table, ...table.map((c) => mix(mix(c, theme.unknown, 0.55), theme.ground, pale))],
    pixel,
  );
}
