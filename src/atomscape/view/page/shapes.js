// What is shown, as arrays on the graphics card: balls, sticks, solid meshes, and glass sorted by depth.
import { makeArrays } from "./program.js";

const SQUARE = new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]);
const RING = 1.34; // outer radius of the ring around a ball, by the ball's
const joined = (Type, arrays) => {
  const out = new Type(arrays.reduce((n, a) => n + a.length, 0));
  let at = 0;
  for (const a of arrays) {
    out.set(a, at);
    at += a.length;
  }
  return out;
};

// [x, y, z, radius] and [r, g, b, whole or ring] of every ball, rings included.
function ballArrays(balls, marks) {
  const rows = [],
    tints = [];
  const put = (at, i, radius, colour, k, alpha) => {
    rows.push(at[3 * i], at[3 * i + 1], at[3 * i + 2], radius);
    tints.push(colour[3 * k], colour[3 * k + 1], colour[3 * k + 2], alpha);
  };
  for (const { at, radii, colours, halo } of balls)
    radii.forEach((r, i) => {
      put(at, i, r, colours, i, 255);
      if (halo) put(at, i, r * RING, halo, 0, 0);
    });
  for (const { at, radius, colour } of marks) put(at, 0, radius * RING, colour, 0, 0);
  return [new Float32Array(rows), new Uint8Array(tints)];
}

/** Balls and rings of layers; `marks` are further rings {at, radius, colour}. */
export function makeBalls(gl, layers, marks) {
  const [rows, tints] = ballArrays(
    layers.flatMap((l) => l.balls),
    marks,
  );
  const made = makeArrays(gl, [
    [0, SQUARE, 2],
    [1, rows, 4, { each: true }],
    [2, tints, 4, { each: true, normal: true }],
  ]);
  return { ...made, count: rows.length / 4 };
}

/** Sticks of layers. */
export function makeSticks(gl, layers) {
  const sticks = layers.flatMap((l) => l.sticks);
  const tint = joined(
    Uint8Array,
    sticks.map((s) => withAlpha(s.colours, 255)),
  );
  const made = makeArrays(gl, [
    [0, SQUARE, 2],
    ...["starts", "ends", "radii"].map((name, k) => [
      k + 1,
      joined(
        Float32Array,
        sticks.map((s) => s[name]),
      ),
      name === "radii" ? 1 : 3,
      { each: true },
    ]),
    [4, tint, 4, { each: true, normal: true }],
  ]);
  return { ...made, count: tint.length / 4 };
}

function withAlpha(colours, alpha) {
  const out = new Uint8Array((colours.length / 3) * 4);
  for (let i = 0, k = 0; i < colours.length; i += 3, k += 4) {
    out.set(colours.subarray(i, i + 3), k);
    out[k + 3] = alpha;
  }
  return out;
}

/** Meshes of layers as one, the solid ones or those that are seen through. */
export function makeMeshes(gl, layers, solid) {
  const meshes = layers.flatMap((l) => l.meshes).filter((m) => m.opacity >= 1 === solid && m.triangles.length);
  const vertices = joined(
    Float32Array,
    meshes.map((m) => m.vertices),
  );
  const made = makeArrays(gl, [
    [0, vertices, 3],
    [
      1,
      joined(
        Int8Array,
        meshes.map((m) => m.normals),
      ),
      3,
      { normal: true },
    ],
    [
      2,
      joined(
        Uint8Array,
        meshes.map((m) => withAlpha(m.colours, Math.round(255 * m.opacity))),
      ),
      4,
      { normal: true },
    ],
  ]);
  let first = 0;
  const triangles = joined(
    Uint32Array,
    meshes.map((m) => {
      const moved = Uint32Array.from(m.triangles, (v) => v + first);
      first += m.vertices.length / 3;
      return moved;
    }),
  );
  const index = gl.createBuffer();
  gl.bindVertexArray(made.array);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, index);
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, solid ? gl.STATIC_DRAW : gl.DYNAMIC_DRAW);
  gl.bindVertexArray(null);
  const sort = solid ? () => {} : sorter(vertices, triangles);
  return {
    ...made,
    count: triangles.length,
    /** Put the farthest triangles first; `towards` is the direction to the viewer. */
    sort: (towards) => {
      const order = sort(towards);
      if (!order) return;
      gl.bindVertexArray(made.array);
      gl.bufferSubData(gl.ELEMENT_ARRAY_BUFFER, 0, order);
    },
    drop: () => {
      gl.deleteBuffer(index);
      made.drop();
    },
  };
}

const STEPS = 1 << 14;

// Counting sort of triangles by the depth of their middle; returns the sorted indices.
function sorter(vertices, triangles) {
  const n = triangles.length / 3,
    middles = new Float32Array(3 * n);
  for (let t = 0; t < n; t++)
    for (let k = 0; k < 3; k++)
      for (let c = 0; c < 3; c++) middles[3 * t + c] += vertices[3 * triangles[3 * t + k] + c] / 3;
  const depth = new Float32Array(n),
    step = new Uint16Array(n),
    order = new Uint32Array(3 * n);
  return ([x, y, z]) => {
    if (!n) return null;
    let low = Infinity,
      high = -Infinity;
    for (let t = 0; t < n; t++) {
      depth[t] = x * middles[3 * t] + y * middles[3 * t + 1] + z * middles[3 * t + 2];
      // Read back: what was kept has fewer digits.
      if (depth[t] < low) low = depth[t];
      if (depth[t] > high) high = depth[t];
    }
    const scale = (STEPS - 1) / Math.max(high - low, 1e-9),
      start = new Uint32Array(STEPS + 1);
    for (let t = 0; t < n; t++) {
      step[t] = (depth[t] - low) * scale;
      start[step[t] + 1]++;
    }
    for (let s = 1; s <= STEPS; s++) start[s] += start[s - 1];
    for (let t = 0; t < n; t++) {
      const to = 3 * start[step[t]]++;
      for (let k = 0; k < 3; k++) order[to + k] = triangles[3 * t + k];
    }
    return order;
  };
}
