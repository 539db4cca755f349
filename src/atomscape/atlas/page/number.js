// Numbers as people write them, and ticks at round values.

const SUPERSCRIPT = {
  "-": "⁻",
  0: "⁰",
  1: "¹",
  2: "²",
  3: "³",
  4: "⁴",
  5: "⁵",
  6: "⁶",
  7: "⁷",
  8: "⁸",
  9: "⁹",
};

/** 12345 → "12,345". */
export function count(n) {
  return Math.round(n).toLocaleString("en-US");
}

/** "1 structure", "2 structures". */
export function plural(n, word, words = `${word}s`) {
  return `${count(n)} ${n === 1 ? word : words}`;
}

/** A value with up to `digits` significant digits: −0.0123, 4.56, 12,300, 1.2×10⁻⁷. */
export function format(value, digits = 5) {
  if (!Number.isFinite(value)) return "unknown";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return minus(value.toLocaleString("en-US"));
  if (size >= 1e7 || size < 1e-4) {
    const [mantissa, power] = value.toExponential(Math.min(digits, 4) - 1).split("e");
    return `${minus(trim(mantissa))}×10${superscript(Number(power))}`;
  }
  const decimals = Math.max(0, Math.min(8, digits - 1 - Math.floor(Math.log10(size))));
  return minus(
    trim(value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })),
  );
}

/** A tick label with just the decimals that its step needs. */
export function formatTick(value, step) {
  if (Math.abs(value) < step * 1e-6) return "0";
  if (Math.abs(value) >= 1e6 || step < 1e-5) return format(value, 3);
  let decimals = 0;
  while (decimals < 8 && Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6)
    decimals++;
  return minus(
    value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
  );
}

/** Round values (1, 2, 2.5 or 5 times a power of ten) between low and high, about `about` of them. */
export function niceTicks(low, high, about = 5) {
  if (!(high > low)) return { step: 1, ticks: [low] };
  const rough = (high - low) / Math.max(1, about),
    power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((m) => m * power >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(k * step);
  return { step, ticks };
}

/** Ticks of a logarithmic axis: powers of ten, with 2 and 5 between them where there are few. */
export function logTicks(low, high) {
  const first = Math.floor(Math.log10(low)),
    last = Math.ceil(Math.log10(high));
  const within = (v) => v >= low * 0.9999 && v <= high * 1.0001,
    ticks = [];
  const factors = last - first > 3 ? [1] : [1, 2, 5];
  for (let p = first; p <= last; p++) ticks.push(...factors.map((f) => f * 10 ** p).filter(within));
  const keep = Math.ceil(ticks.length / 7);
  return ticks.length >= 2 ? ticks.filter((_, i) => i % keep === 0) : [low, high];
}

function minus(text) {
  return text.replace("-", "−");
}

function trim(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function superscript(power) {
  return [...String(power)].map((c) => SUPERSCRIPT[c]).join("");
}
