// Points inside a polygon drawn by hand.

/** Even–odd rule: is (x, y) inside the polygon [x0, y0, x1, y1, …]? */
export function inside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 2; i < polygon.length; j = i, i += 2) {
    const yi = polygon[i + 1],
      yj = polygon[j + 1];
    if (yi > y !== yj > y && x < ((polygon[j] - polygon[i]) * (y - yi)) / (yj - yi) + polygon[i]) odd = !odd;
  }
  return odd;
}

/** Mask of the points inside; `visible(i)` leaves points out. */
export function lassoMask(polygon, xy, visible) {
  const n = xy.length / 2,
    mask = new Uint8Array(n);
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let k = 0; k < polygon.length; k += 2) {
    x0 = Math.min(x0, polygon[k]);
    x1 = Math.max(x1, polygon[k]);
    y0 = Math.min(y0, polygon[k + 1]);
    y1 = Math.max(y1, polygon[k + 1]);
  }
  for (let i = 0, k = 0; i < n; i++, k += 2) {
    const x = xy[k],
      y = xy[k + 1];
    if (x >= x0 && x <= x1 && y >= y0 && y <= y1 && visible(i) && inside(polygon, x, y)) mask[i] = 1;
  }
  return mask;
}

/** A selection changed by another: "replace", "add" or "subtract". Masks, not modified. */
export function combine(old, mask, how) {
  if (how === "replace" || !old) return how === "subtract" ? null : mask;
  const out = old.slice();
  for (let i = 0; i < mask.length; i++) if (mask[i]) out[i] = how === "add" ? 1 : 0;
  return out;
}

/** Rows of a mask. */
export function rowsOf(mask) {
  let n = 0;
  for (let i = 0; i < mask.length; i++) n += mask[i];
  const rows = new Int32Array(n);
  for (let i = 0, k = 0; i < mask.length; i++) if (mask[i]) rows[k++] = i;
  return rows;
}

/** Mask of rows. */
export function maskOf(rows, n) {
  const mask = new Uint8Array(n);
  for (const i of rows) mask[i] = 1;
  return mask;
}
