// The order in which points are drawn: unknown values and rare categories below, chosen points on top, else
// shuffled, so that no dataset hides another by standing later in the file.

/** Numbers 0 … n−1 in an order that looks random and is always the same. */
export function shuffled(n) {
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  let seed = 0x9e3779b9;
  for (let i = n - 1; i > 0; i--) {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    const j = (seed >>> 0) % (i + 1),
      keep = order[i];
    order[i] = order[j];
    order[j] = keep;
  }
  return order;
}

/** Colour numbers from here on are those of points not chosen, paler. */
export const PALE = 256;

/**
 * Points to draw. `low[number]` marks colours that lie below, `hidden[dataset]` leaves points out, `chosen`
 * (mask or null) makes all others pale. Returns {n, order, tint}; order[k] is the k-th point drawn.
 */
export function arrange(base, numbers, low, datasets, hidden, chosen) {
  const n = base.length,
    levels = new Uint8Array(n),
    starts = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    if (hidden[datasets[i]]) {
      levels[i] = 9;
      continue;
    }
    const level = (chosen && chosen[i] ? 2 : 0) + (low[numbers[i]] ? 0 : 1);
    levels[i] = level;
    starts[level]++;
  }
  for (let level = 0, sum = 0; level < 4; level++) {
    const c = starts[level];
    starts[level] = sum;
    sum += c;
  }
  const total = levels.reduce((a, l) => a + (l < 4 ? 1 : 0), 0);
  const order = new Int32Array(total),
    tint = new Uint16Array(total);
  for (let k = 0; k < n; k++) {
    const i = base[k],
      level = levels[i];
    if (level === 9) continue;
    const at = starts[level]++;
    order[at] = i;
    tint[at] = numbers[i] + (chosen && level < 2 ? PALE : 0);
  }
  return { n: total, order, tint };
}

/** Coordinates in drawing order. */
export function gather(layer, xy) {
  const { n, order } = layer,
    x = new Float32Array(n),
    y = new Float32Array(n);
  for (let k = 0; k < n; k++) {
    const i = 2 * order[k];
    x[k] = xy[i];
    y[k] = xy[i + 1];
  }
  return { ...layer, x, y };
}
