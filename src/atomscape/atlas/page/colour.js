// Colours: perceptually even maps made in OKLab, a categorical palette, and scales from values to colours.
import { fromHex } from "./hex.js";
import { logTicks, niceTicks } from "./number.js";

// Anchors of the maps, evenly spaced; between them colours run straight in OKLab.
const ANCHORS = {
  viridis: "440154 482878 3e4a89 31688e 26838e 1f9d8a 35b779 6cce59 b4de2c fde725",
  cividis: "00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 e1cc55 fee838",
  plasma: "0d0887 46039f 7201a8 9c179e bd3786 d8576b ed7953 fb9f3a fdca26 f0f921",
  "blue–red": "2166ac 4a8fc4 84b6d8 bcd7e8 ecebea f3cdbb e69c80 ce6150 a81f33",
};
// Eight colours and a grey, found by maximising the least OKLab distance of any two under normal vision and
// full protanopia, deuteranopia and tritanopia (Machado et al. 2009): 0.11 on light and 0.10 on dark ground.
const CATEGORIES = {
  light: "2166c4 ee8a20 8dcf96 a62032 daa4f8 a77136 5587fd 443c80 9aa0a8",
  dark: "5aa5f0 f59a3a 5ddda3 d23d4d edbcfa a552d6 d4f942 93feca 8a919c",
};
const END = { light: [0, 0.96], dark: [0.1, 1] }; // the part of a map that stands out from the ground
/** Colour number of points whose value is not known. */
export const UNKNOWN = 255;
const LEVELS = 254; // numbers 0 … 254 are values
/** Categories with a colour of their own; this number stands for all others. */
export const MOST_CATEGORIES = 8;

export const PALETTES = Object.keys(ANCHORS);
export const SCALES = [
  ["linear", "Linear"],
  ["clipped", "Linear, 1–99 %"],
  ["log", "Logarithmic"],
  ["rank", "By rank"],
];

const toLinear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const toGamma = (c) => (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055);

/** sRGB (0…255) → OKLab [L, a, b] (Ottosson 2020). */
export function toOklab(rgb) {
  const [r, g, b] = rgb.map((c) => toLinear(c / 255));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** OKLab → sRGB (0…255, rounded and cut to the range). */
export function fromOklab([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((c) => Math.round(255 * Math.min(1, Math.max(0, toGamma(Math.max(0, c))))));
}

/** Colour of a map at t in 0…1, as [r, g, b]. */
export function mapColour(name, t) {
  const anchors = ANCHORS[name].split(" ").map((h) => toOklab(fromHex(h)));
  const at = Math.min(1, Math.max(0, t)) * (anchors.length - 1),
    i = Math.min(anchors.length - 2, Math.floor(at));
  return fromOklab(anchors[i].map((v, k) => v + (anchors[i + 1][k] - v) * (at - i)));
}

/** All 256 colours of a map on light or dark ground. The last is that of unknown values. */
export function mapTable(name, dark, unknown) {
  const [from, to] = name === "blue–red" ? [0, 1] : END[dark ? "dark" : "light"];
  const table = Array.from({ length: UNKNOWN }, (_, i) => mapColour(name, from + (to - from) * (i / LEVELS)));
  return [...table, unknown];
}

/** Colours of categories, the last that of unknown ones. */
export function categoryTable(dark, unknown) {
  const palette = CATEGORIES[dark ? "dark" : "light"].split(" ").map(fromHex);
  return Array.from({ length: 256 }, (_, i) =>
    i === UNKNOWN ? unknown : palette[Math.min(i, MOST_CATEGORIES)],
  );
}

/** The most frequent categories get a colour of their own. Returns rows for the legend and colour numbers. */
export function rankCategories(table, codes) {
  const counts = new Uint32Array(table.length);
  for (let i = 0; i < codes.length; i++) counts[codes[i]]++;
  const order = [...table.keys()]
    .filter((c) => counts[c] && table[c] !== "")
    .sort((a, b) => counts[b] - counts[a]);
  const own = Math.min(order.length, MOST_CATEGORIES);
  const numbers = new Uint8Array(table.length).fill(UNKNOWN);
  order.forEach((code, k) => {
    numbers[code] = Math.min(k, own);
  });
  const rows = order
    .slice(0, own)
    .map((code, k) => ({ text: table[code], number: k, codes: [code], count: counts[code] }));
  const sum = (list) => list.reduce((a, c) => a + counts[c], 0),
    rest = order.slice(own);
  if (rest.length) rows.push({ text: `${rest.length} others`, number: own, codes: rest, count: sum(rest) });
  const missing = [...table.keys()].filter((c) => table[c] === "" && counts[c]);
  if (missing.length) rows.push({ text: "unknown", number: UNKNOWN, codes: missing, count: sum(missing) });
  return { rows, numbers };
}

/** Sorted finite values, at most 20,001 of them taken at even distances, for ranks and percentiles. */
export function quantiles(values) {
  const finite = Float64Array.from(values).filter(Number.isFinite).sort();
  if (finite.length <= 20001) return finite;
  return Float64Array.from(
    { length: 20001 },
    (_, i) => finite[Math.round((i * (finite.length - 1)) / 20000)],
  );
}

/**
 * The scale to begin with: logarithmic for positive values over many powers of ten, cut at 1 and 99 % where a
 * few far values would leave the others one colour.
 */
export function usualScale(sorted) {
  const at = (p) => sorted[Math.round(p * (sorted.length - 1))];
  if (sorted.length <= 20 || at(0.99) === at(0.01)) return "linear";
  if (at(0) > 0 && at(0.99) > 20 * at(0.5) && at(0.5) > 5 * at(0.01)) return "log";
  return at(1) - at(0) > 4 * (at(0.99) - at(0.01)) ? "clipped" : "linear";
}

/** A scale: value → 0…1 (outside where cut), back, and ticks. `sorted` are quantiles of the values. */
export function makeScale(kind, sorted) {
  const at = (p) => sorted[Math.round(p * (sorted.length - 1))];
  if (!sorted.length) return { kind, low: 0, high: 1, to: () => NaN, from: () => NaN, ticks: [], step: 1 };
  if (kind === "rank") return rankScale(sorted);
  const positive = sorted.find((v) => v > 0);
  if (kind === "log" && positive !== undefined) return logScale(positive, at(1));
  const [low, high] = kind === "clipped" ? [at(0.01), at(0.99)] : [at(0), at(1)];
  const width = high - low || 1,
    { ticks, step } = niceTicks(low, high, 5);
  return {
    kind,
    low,
    high,
    ticks,
    step,
    cutLow: low > at(0),
    cutHigh: high < at(1),
    to: (v) => (high > low ? (v - low) / width : 0.5),
    from: (t) => low + t * width,
  };
}

function logScale(low, high) {
  const a = Math.log10(low),
    width = Math.log10(high) - a || 1;
  return {
    kind: "log",
    low,
    high,
    ticks: logTicks(low, high),
    step: 0,
    to: (v) => (v > 0 ? (high > low ? (Math.log10(v) - a) / width : 0.5) : NaN),
    from: (t) => 10 ** (a + t * width),
  };
}

function rankScale(sorted) {
  const last = sorted.length - 1,
    at = (t) => sorted[Math.round(t * last)];
  const rank = (v) => {
    let a = 0,
      b = last;
    while (a < b) {
      const m = (a + b) >> 1;
      if (sorted[m] < v) a = m + 1;
      else b = m;
    }
    return last ? a / last : 0.5;
  };
  return {
    kind: "rank",
    low: sorted[0],
    high: sorted[last],
    ticks: [0, 0.25, 0.5, 0.75, 1].map(at),
    step: 0,
    places: [0, 0.25, 0.5, 0.75, 1],
    to: (v) => (Number.isFinite(v) ? rank(v) : NaN),
    from: at,
  };
}

/** Colour number of each value. */
export function colourNumbers(values, scale) {
  const numbers = new Uint8Array(values.length),
    { to } = scale;
  for (let i = 0; i < values.length; i++) {
    const v = values[i],
      t = v === v ? to(v) : NaN;
    numbers[i] = t === t ? (t <= 0 ? 0 : t >= 1 ? LEVELS : (t * LEVELS + 0.5) | 0) : UNKNOWN;
  }
  return numbers;
}

/** [r, g, b] → the 32-bit number of an opaque pixel (little-endian RGBA). */
export function pixel([r, g, b]) {
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** Mix two [r, g, b] colours. */
export function mix(a, b, share) {
  return a.map((v, k) => Math.round(v + (b[k] - v) * share));
}

export function css([r, g, b]) {
  return `rgb(${r}, ${g}, ${b})`;
}
