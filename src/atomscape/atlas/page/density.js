// Density: a smoothed count of points as bands, in the mean colour of the points there.

const BANDS = 9;

/**
 * Smoothed counts and, if `rgb` gives a colour [r, g, b] per colour number, sums of colours. `layer` and
 * `at` are as in drawPoints; `sigma` is the width of the smoothing and `cell` the size of a cell of the
 * count, in device pixels. Pale points do not count. Points just outside the picture do, in a margin.
 */
export function measure(surface, layer, at, { sigma, cell = 2, rgb = null }) {
  const radius = Math.max(1, Math.round(sigma / cell));
  const margin = 3 * radius;
  const w = Math.ceil(surface.width / cell) + 2 + 2 * margin;
  const h = Math.ceil(surface.height / cell) + 2 + 2 * margin;
  const planes = Array.from({ length: rgb ? 4 : 1 }, () => new Float32Array(w * h));
  const field = { w, h, margin, cell, radius, count: planes[0], channels: planes.slice(1), top: 0 };
  countInto(field, layer, at, rgb);
  for (const plane of planes) smooth(plane, w, h, radius);
  for (let o = 0; o < field.count.length; o++) if (field.count[o] > field.top) field.top = field.count[o];
  return field;
}

function countInto({ w, h, margin, cell, count, channels }, { n, x, y, tint }, { kx, bx, ky, by }, rgb) {
  const [red, green, blue] = channels;
  for (let k = 0; k < n; k++) {
    if (tint[k] > 255) continue;
    const cx = Math.floor((kx * x[k] + bx) / cell) + margin;
    const cy = Math.floor((ky * y[k] + by) / cell) + margin;
    if (!(cx >= 0 && cy >= 0 && cx < w && cy < h)) continue;
    const o = cy * w + cx;
    count[o]++;
    if (!rgb) continue;
    const colour = rgb[tint[k]];
    red[o] += colour[0];
    green[o] += colour[1];
    blue[o] += colour[2];
  }
}

// Three box averages of the given radius are nearly a Gaussian of that width.
function smooth(plane, w, h, radius) {
  const other = new Float32Array(plane.length);
  for (let pass = 0; pass < 3; pass++) {
    alongRows(plane, other, w, h, radius);
    alongColumns(other, plane, w, h, radius);
  }
}

function alongRows(from, to, w, h, radius) {
  const norm = 1 / (2 * radius + 1);
  for (let y = 0, o = 0; y < h; y++, o += w) {
    let sum = 0;
    for (let x = 0; x < Math.min(radius, w); x++) sum += from[o + x];
    for (let x = 0; x < w; x++) {
      if (x + radius < w) sum += from[o + x + radius];
      to[o + x] = sum * norm;
      if (x >= radius) sum -= from[o + x - radius];
    }
  }
}

function alongColumns(from, to, w, h, radius) {
  const norm = 1 / (2 * radius + 1),
    sums = new Float64Array(w);
  const shift = (y, sign) => {
    for (let x = 0, o = y * w; x < w; x++, o++) sums[x] += sign * from[o];
  };
  for (let y = 0; y < Math.min(radius, h); y++) shift(y, 1);
  for (let y = 0; y < h; y++) {
    if (y + radius < h) shift(y + radius, 1);
    for (let x = 0, o = y * w; x < w; x++, o++) to[o] = sums[x] * norm;
    if (y >= radius) shift(y - radius, -1);
  }
}

/** Paint bands over the whole picture. `plain` (a colour) paints them quietly, as a ground for points. */
export function paintDensity(surface, field, ground, plain = null) {
  if (!field.top) return;
  const { width, height } = surface;
  const limits = bandLimits(field);
  const look = { ground, plain, shares: Array.from({ length: BANDS + 1 }, (_, k) => shareOf(k - 1, plain)) };
  const row = new Float32Array(width);
  const bands = new Int8Array(width);
  const above = new Int8Array(width);
  for (let y = 0; y < height; y++) {
    blendRow(field, y, row);
    for (let x = 0; x < width; x++) {
      let band = -1;
      while (band < BANDS - 1 && row[x] > limits[band + 1]) band++;
      bands[x] = band;
    }
    if (y === 0) above.set(bands);
    paintRow(surface, field, y, bands, above, look);
    above.set(bands);
  }
}

// Smoothed counts at which the bands begin, evenly spaced in their logarithm.
function bandLimits({ radius, top }) {
  const single = 1 / (2 * radius + 1) ** 2 / 2.2; // about the peak that one point alone makes
  const floor = Math.min(single, top / 50),
    reach = Math.log(1 + top / floor);
  return Array.from({ length: BANDS }, (_, band) =>
    band ? floor * (Math.exp((reach * band) / BANDS) - 1) : 0.15 * floor,
  );
}

function shareOf(band, plain) {
  if (plain) return band < 0 ? 0 : 0.05 + 0.035 * (band + 1);
  return band < 0 ? 0.16 : 0.16 + (0.8 * (band + 1)) / BANDS;
}

// Bilinear interpolation of the counts along one row of pixels.
function blendRow({ count, w, margin, cell }, y, out) {
  const gy = y / cell;
  const y0 = Math.floor(gy);
  const fy = gy - y0;
  for (let x = 0; x < out.length; x++) {
    const gx = x / cell;
    const x0 = gx | 0;
    const fx = gx - x0;
    const o = (y0 + margin) * w + x0 + margin;
    const upper = count[o] * (1 - fx) + count[o + 1] * fx;
    const lower = count[o + w] * (1 - fx) + count[o + w + 1] * fx;
    out[x] = upper * (1 - fy) + lower * fy;
  }
}

// Mix the mean colour into the ground, more of it where there are more points, and darker at band edges.
function paintRow(surface, field, y, bands, above, { ground, plain, shares }) {
  const { w, margin, cell, count, channels } = field;
  const [red, green, blue] = channels;
  const start = (y + surface.pad) * surface.stride + surface.pad;
  for (let x = 0; x < bands.length; x++) {
    const band = bands[x];
    const edge = band !== above[x] || (x > 0 && band !== bands[x - 1]);
    if (band < 0 && !edge) continue;
    const share = Math.min(1, shares[band + 1] + (edge ? (plain ? 0.1 : 0.18) : 0));
    const o = (((y / cell) | 0) + margin) * w + ((x / cell) | 0) + margin;
    const n = count[o];
    let [r, g, b] = plain ?? ground;
    if (!plain && n > 0) [r, g, b] = [red[o] / n, green[o] / n, blue[o] / n];
    r = ground[0] + (r - ground[0]) * share;
    g = ground[1] + (g - ground[1]) * share;
    b = ground[2] + (b - ground[2]) * share;
    surface.pixels[start + x] = 0xff000000 | ((b + 0.5) << 16) | ((g + 0.5) << 8) | (r + 0.5);
  }
}
