// Three-dimensional vectors and matrices as plain arrays; matrices are lists of rows.

export const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const subtract = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const times = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const norm = (a) => Math.hypot(a[0], a[1], a[2]);
export const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
export const unit = (a) => times(a, 1 / norm(a));

/** Row vector times matrix: Σ_k v_k m_k. */
export const combine = (v, m) => add(add(times(m[0], v[0]), times(m[1], v[1])), times(m[2], v[2]));
/** Matrix times column vector. */
export const turn = (m, v) => [dot(m[0], v), dot(m[1], v), dot(m[2], v)];
export const product = (a, b) => a.map((row) => combine(row, b));

/** Rotation matrix about x ("x") or y ("y"), angle in radians. */
export function rotation(axis, angle) {
  const c = Math.cos(angle),
    s = Math.sin(angle);
  return axis === "x"
    ? [
        [1, 0, 0],
        [0, c, -s],
        [0, s, c],
      ]
    : [
        [c, 0, s],
        [0, 1, 0],
        [-s, 0, c],
      ];
}

/** Reciprocal rows: dot(reciprocal[i], cell[j]) = δ_ij. */
export function reciprocal(cell) {
  const volume = dot(cell[0], cross(cell[1], cell[2]));
  return [
    [1, 2],
    [2, 0],
    [0, 1],
  ].map(([i, j]) => times(cross(cell[i], cell[j]), 1 / volume));
}

/** Eigenvectors of a symmetric matrix as rows, largest eigenvalue first (Jacobi rotations). */
export function principalAxes(matrix) {
  const a = matrix.map((row) => [...row]);
  let v = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  for (let sweep = 0; sweep < 24; sweep++)
    for (const [p, q] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ]) {
      if (Math.abs(a[p][q]) < 1e-12) continue;
      const angle = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]),
        c = Math.cos(angle),
        s = Math.sin(angle);
      for (let k = 0; k < 3; k++) [a[k][p], a[k][q]] = [c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]];
      for (let k = 0; k < 3; k++) [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
      for (let k = 0; k < 3; k++) [v[p][k], v[q][k]] = [c * v[p][k] - s * v[q][k], s * v[p][k] + c * v[q][k]];
    }
  return [0, 1, 2].sort((i, j) => a[j][j] - a[i][i]).map((i) => v[i]);
}
