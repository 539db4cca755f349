// Chemical formulas: from text to counts of elements and back to readable text.
import { el } from "./dom.js";

/** Parse "Ca(OH)2" → Map {Ca: 1, O: 2, H: 2}; null if it is no formula of known elements. */
export function parseFormula(text, known) {
  const stack = [new Map()];
  const token = /([A-Z][a-z]?)(\d*)|(\()|\)(\d*)/y;
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (!match) return null;
    const [whole, symbol, number, open, times] = match;
    if (open) {
      stack.push(new Map());
      continue;
    }
    if (symbol && !known.has(symbol)) return null;
    if (!symbol && stack.length < 2) return null;
    const group = symbol ? new Map([[symbol, 1]]) : stack.pop();
    const n = Number((symbol ? number : times) || 1);
    for (const [s, k] of group) stack.at(-1).set(s, (stack.at(-1).get(s) ?? 0) + n * k);
    if (!whole) return null;
  }
  return stack.length === 1 && stack[0].size && ![...stack[0].values()].includes(0) ? stack[0] : null;
}

/** Name of a composition that does not depend on the order of elements: "O2Si1". */
export function compositionKey(counts) {
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([s, n]) => s + n)
    .join("");
}

/** The same of its smallest whole-number multiple: Si3O6 → "O2Si1". */
export function reducedKey(counts) {
  const divisor = [...counts.values()].reduce(gcd);
  return compositionKey(new Map([...counts].map(([s, n]) => [s, n / divisor])));
}

/** A formula with its numbers set low, as a piece of the page. */
export function formulaNode(text) {
  const node = el("span", { class: "formula" });
  for (const part of text.split(/(\d+)/))
    if (part) node.append(/^\d+$/.test(part) ? el("sub", {}, part) : part);
  return node;
}

function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}
