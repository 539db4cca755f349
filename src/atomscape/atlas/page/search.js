// Search: "SiO2", "Li Fe O", "Li-Fe-O", "has:Na !O n<20 gap>2", or part of an id. Terms are joined by "and".
import { compositionKey, parseFormula, reducedKey } from "./formula.js";

const COMPARISON = /^(.+?)(<=|>=|<|>|=|:)(.+)$/;

/** Compositions of the distinct formulas, made once. */
export function makeIndex(data) {
  const symbols = new Set(data.elements.symbols.slice(1));
  const compositions = data.formulaTable.map((text) => {
    const counts = parseFormula(text, symbols) ?? new Map();
    const empty = counts.size === 0;
    return {
      counts,
      exact: empty ? "" : compositionKey(counts),
      reduced: empty ? "" : reducedKey(counts),
      n: [...counts.values()].reduce((a, b) => a + b, 0),
    };
  });
  return { symbols, compositions, lowerIds: null };
}

/**
 * Find structures. Returns {rows, message}: rows in the order of the file, those that match a formula exactly
 * before its multiples; message explains what was not understood ("" if all was).
 */
export function search(query, data, index) {
  const terms = splitTerms(query).map((t) => readTerm(t, data, index));
  const message = terms
    .map((t) => t.message ?? "")
    .filter(Boolean)
    .join(" ");
  if (!terms.length || message) return { rows: new Int32Array(0), message };
  const first = [],
    later = [];
  for (let i = 0; i < data.n; i++) {
    if (!terms.every((t) => t.test(i))) continue;
    (terms.every((t) => !t.exact || t.exact(i)) ? first : later).push(i);
  }
  return { rows: Int32Array.from(first.concat(later)), message };
}

/** Words of a query; quotes keep spaces together. */
export function splitTerms(query) {
  return [...query.matchAll(/(?:[^\s"]+|"[^"]*")+/g)].map((m) => m[0].replaceAll('"', "")).filter(Boolean);
}

function readTerm(term, data, index) {
  if (term.startsWith("!") && term.length > 1) return negated(readTerm(term.slice(1), data, index));
  if (term.startsWith("="))
    return formulaTerm(term.slice(1), true, data, index) ?? unreadable(term, "is no formula");
  const comparison = COMPARISON.exec(term);
  if (comparison) return comparisonTerm(comparison, data, index);
  if (index.symbols.has(term)) return elementsTerm([term], data, index);
  const parts = term.split("-");
  if (parts.length > 1 && parts.every((p) => index.symbols.has(p))) return systemTerm(parts, data, index);
  const asId = idTerm(term, data, index),
    asFormula = formulaTerm(term, false, data, index);
  if (!asFormula) return asId;
  return { ...asFormula, test: (i) => asFormula.test(i) || asId.test(i) };
}

function negated(term) {
  return term.message ? term : { test: (i) => !term.test(i) };
}

function unreadable(term, why) {
  return { test: () => false, message: `“${term}” ${why}.` };
}

// A test of compositions becomes one bit per distinct formula.
function compositionTerm(accept, data, index) {
  const accepted = Uint8Array.from(index.compositions, (c) => (accept(c) ? 1 : 0));
  return { test: (i) => accepted[data.formulaCodes[i]] === 1 };
}

function formulaTerm(text, exactly, data, index) {
  const counts = parseFormula(text, index.symbols);
  if (!counts) return null;
  const exactKey = compositionKey(counts),
    reduced = reducedKey(counts);
  const exact = compositionTerm((c) => c.exact === exactKey, data, index);
  if (exactly || exactKey !== reduced) return exact;
  return { ...compositionTerm((c) => c.reduced === reduced, data, index), exact: exact.test };
}

function elementsTerm(symbols, data, index) {
  return compositionTerm((c) => symbols.every((s) => c.counts.has(s)), data, index);
}

function systemTerm(symbols, data, index) {
  const wanted = new Set(symbols);
  return compositionTerm(
    (c) => c.counts.size === wanted.size && symbols.every((s) => c.counts.has(s)),
    data,
    index,
  );
}

function idTerm(text, data, index) {
  index.lowerIds ??= data.ids.map((id) => id.toLowerCase());
  const wanted = text.toLowerCase();
  return { test: (i) => index.lowerIds[i].includes(wanted) };
}

function comparisonTerm([term, name, operator, value], data, index) {
  const key = name.toLowerCase();
  if (key === "has") return hasTerm(value, data, index);
  if (key === "only") return readTerm(value.split(/[-,]/).join("-"), data, index);
  if (key === "id") return idTerm(value, data, index);
  if (key === "formula") return formulaTerm(value, false, data, index) ?? unreadable(value, "is no formula");
  const columns = [...data.columns.values()];
  const column = columns.find((c) => c.name.toLowerCase() === key);
  if (!column && (key === "n" || key === "atoms")) {
    const compare = comparator(operator, value);
    return compare
      ? compositionTerm((c) => c.n > 0 && compare(c.n), data, index)
      : unreadable(value, "is no number");
  }
  if (!column) {
    if (operator === ":") return idTerm(term, data, index);
    return unreadable(name, `is no property; there are n, ${columns.map((c) => c.name).join(", ")}`);
  }
  if (column.kind === "category") {
    const wanted = value.toLowerCase(),
      accepted = column.table.map((t) => t.toLowerCase().includes(wanted));
    return { test: (i) => accepted[column.codes[i]] };
  }
  const compare = comparator(operator, value);
  return compare ? { test: (i) => compare(column.values[i]) } : unreadable(value, "is no number");
}

function hasTerm(value, data, index) {
  const symbols = value.split(/[,-]/);
  const unknown = symbols.find((s) => !index.symbols.has(s));
  return unknown === undefined ? elementsTerm(symbols, data, index) : unreadable(unknown, "is no element");
}

function comparator(operator, text) {
  const range = /^(.+?)\.\.(.+)$/.exec(text);
  const [a, b] = (range ? range.slice(1) : [text, text]).map((t) => Number(t.replace("−", "-")));
  if (Number.isNaN(a) || Number.isNaN(b)) return null;
  if (range) return (v) => v >= a && v <= b;
  return {
    "<": (v) => v < a,
    ">": (v) => v > a,
    "<=": (v) => v <= a,
    ">=": (v) => v >= a,
    "=": (v) => v === a,
    ":": (v) => v === a,
  }[operator];
}
