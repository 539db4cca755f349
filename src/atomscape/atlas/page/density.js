// Density: a smoothed count of points as bands, in the mean colour of the points there.

const CELL = 2;    // device pixels per cell of the count
const BANDS = 9;

/**
 * Smoothed counts and, if `rgb` gives a colour [r, g, b] per colour number, sums of colours. `layer` and `at` are as
 * in drawPoints; pale points do not count. Points just outside the picture do, in a margin of its field.
 */
export function measure(surface, layer, at, sigma, rgb = null) {
  const radius = Math.max(1, Math.round(sigma / CELL)), margin = 3 * radius;
  const w = Math.ceil(surface.width / CELL) + 2 + 2 * margin, h = Math.ceil(surface.height / CELL) + 2 + 2 * margin;
  const planes = Array.from({ length: rgb ? 4 : 1 }, () => new Float32Array(w * h));
  countInto(planes, layer, rgb, at, w, h, margin);
  const [count, ...channels] = planes;
  for (const plane of planes) smooth(plane, w, h, radius);
  let top = 0;
  for (let o = 0; o < count.length; o++) if (count[o] > top) top = count[o];
  return { w, h, margin, count, channels, top, radius };
}

function countInto(planes, { n, x, y, tint }, rgb, { kx, bx, ky, by }, w, h, margin) {
  const [count, red, green, blue] = planes;
  for (let k = 0; k < n; k++) {
    if (tint[k] > 255) continue;
    const cx = Math.floor((kx * x[k] + bx) / CELL) + margin, cy = Math.floor((ky * y[k] + by) / CELL) + margin;
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
  const norm = 1 / (2 * radius + 1), sums = new Float64Array(w);
  const shift = (y, sign) => { for (let x = 0, o = y * w; x < w; x++, o++) sums[x] += sign * from[o]; };
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
  const limits = bandLimits(field), shares = [...Array(BANDS + 1).keys()].map((band) => shareOf(band - 1, plain));
  const row = new Float32Array(surface.width), below = new Int8Array(surface.width), bands = new Int8Array(surface.width);
  for (let y = 0; y < surface.height; y++) {
    blendRow(field.count, field.w, field.margin, y, row);
    for (let x = 0; x < surface.width; x++) {
      let band = -1;
      while (band < BANDS - 1 && row[x] > limits[band + 1]) band++;
      bands[x] = band;
    }
    paintRow(surface, field, y, bands, y ? below : bands, shares, ground, plain);
    below.set(bands);
  }
}

// Smoothed counts at which the bands begin, evenly spaced in their logarithm.
function bandLimits({ radius, top }) {
  const single = 1 / (2 * radius + 1) ** 2 / 2.2;   // about the peak that one point alone makes
  const floor = Math.min(single, top / 50), reach = Math.log(1 + top / floor);
  return Array.from({ length: BANDS }, (_, band) => (band ? floor * (Math.exp(reach * band / BANDS) - 1) : 0.15 * floor));
}

function shareOf(band, plain) {
  if (plain) return band < 0 ? 0 : 0.05 + 0.035 * (band + 1);
  return band < 0 ? 0.16 : 0.16 + 0.8 * (band + 1) / BANDS;
}

// Bilinear interpolation of a plane along one row of pixels.
function blendRow(plane, w, margin, y, out) {
  const gy = y / CELL, y0 = Math.floor(gy), fy = gy - y0;
  for (let x = 0; x < out.length; x++) {
    const gx = x / CELL, x0 = gx | 0, fx = gx - x0, o = (y0 + margin) * w + x0 + margin;
    out[x] = (plane[o] * (1 - fx) + plane[o + 1] * fx) * (1 - fy) + (plane[o + w] * (1 - fx) + plane[o + w + 1] * fx) * fy;
  }
}

function paintRow({ width, stride, pad, pixels }, { w, margin, channels, count }, y, bands, below, shares, ground, plain) {
  const [red, green, blue] = channels, gy = (y / CELL) | 0;
  for (let x = 0; x < width; x++) {
    const band = bands[x], edge = band !== below[x] || (x > 0 && band !== bands[x - 1]);
    if (band < 0 && !edge) continue;
    const share = Math.min(1, shares[band + 1] + (edge ? (plain ? 0.1 : 0.18) : 0));
    const o = (gy + margin) * w + ((x / CELL) | 0) + margin, n = count[o];
    let [r, g, b] = plain ?? ground;
    if (!plain && n > 0) { r = red[o] / n; g = green[o] / n; b = blue[o] / n; }
    r = ground[0] + (r - ground[0]) * share;
    g = ground[1] + (g - ground[1]) * share;
    b = ground[2] + (b - ground[2]) * share;
    pixels[(y + pad) * stride + x + pad] = 0xff000000 | (b + 0.5) << 16 | (g + 0.5) << 8 | (r + 0.5);
  }
}
