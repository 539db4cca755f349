// Rotations as nine numbers, row by row, and 4 × 4 matrices column by column as WebGL takes them.

/** Product of two 3 × 3 matrices. */
export function product(a, b) {
  const c = new Array(9);
  for (let i = 0; i < 3; i++)
    for (let j = 0; j < 3; j++)
      c[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
  return c;
}

/** Matrix times vector. */
export function turned(a, [x, y, z]) {
  return [0, 3, 6].map((i) => a[i] * x + a[i + 1] * y + a[i + 2] * z);
}

/** Rotation by `angle` about a unit vector (Rodrigues). */
export function about([x, y, z], angle) {
  const c = Math.cos(angle),
    s = Math.sin(angle),
    t = 1 - c;
  return [
    [t * x * x + c, t * x * y - s * z, t * x * z + s * y],
    [t * x * y + s * z, t * y * y + c, t * y * z - s * x],
    [t * x * z - s * y, t * y * z + s * x, t * z * z + c],
  ].flat();
}

/** The nearest rotation: rows made perpendicular again after many products. */
export function straightened(a) {
  const unit = (v) => v.map((k) => k / Math.hypot(...v));
  const x = unit(a.slice(0, 3)),
    y0 = a.slice(3, 6),
    d = x[0] * y0[0] + x[1] * y0[1] + x[2] * y0[2],
    y = unit(y0.map((v, k) => v - d * x[k]));
  const z = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
  return [...x, ...y, ...z];
}
