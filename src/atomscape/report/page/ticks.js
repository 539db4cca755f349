// Scales and round numbers for axes.

/** Round numbers from `low` to `high`, about `count` of them. */
export function ticks(low, high, count = 5) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / count,
    power = 10 ** Math.floor(Math.log10(rough)),
    step = [1, 2, 2.5, 5, 10].find((m) => m * power >= rough * 0.999) * power;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k * step);
  return found;
}

/** Ticks of a logarithmic axis: powers of ten, with 2 and 5 where there are few. */
export function logTicks(low, high) {
  const found = [],
    decades = Math.log10(high / low),
    within = decades > 3 ? [1] : decades > 1.2 ? [1, 3] : [1, 1.5, 2, 3, 5, 7];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
    for (const m of within) {
      const t = m * 10 ** e;
      if (t >= low * 0.999 && t <= high * 1.001) found.push(t);
    }
  if (found.length < 3) return ticks(low, high, 4).filter((t) => t > 0);
  const skip = Math.ceil(found.length / 7);
  return found.filter((_, i) => i % skip === 0);
}

/** A number as people write it, to so many digits. */
export function short(x, digits = 3) {
  if (x === null || x === undefined || !Number.isFinite(x)) return "–";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e6 || size < 1e-4) return x.toExponential(Math.max(0, digits - 2)).replace("e+", "e").replace("-", "−");
  const text = size >= 1000 ? Math.round(x).toLocaleString("en") : String(Number(x.toPrecision(digits)));
  return text.replace("-", "−");
}

/** Smallest and largest of many numbers. */
export function extent(values) {
  let low = Infinity,
    high = -Infinity;
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return [low, high];
}
