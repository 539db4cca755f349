// Points → pixels on the CPU: typed arrays in, ImageData and one point number per pixel out. No GPU needed.

const PAD = 24; // pixels around the picture, so that discs at its edge need no bounds checks
const SUB = 4; // sub-pixel positions per axis at which discs are prepared
const DRAFT_COST = 2.5e6; // pixels written above which a moving picture is drawn with dots

/** Buffers of a picture of width × height device pixels. `ids` is the point on top of each, or −1. */
export function makeSurface(width, height) {
  const stride = width + 2 * PAD,
    rows = height + 2 * PAD;
  const image = new ImageData(stride, rows);
  return {
    width,
    height,
    stride,
    rows,
    pad: PAD,
    image,
    pixels: new Uint32Array(image.data.buffer),
    ids: new Int32Array(stride * rows),
  };
}

/** Fill with the ground colour and forget the points. */
export function clear(surface, ground) {
  surface.pixels.fill(ground);
  surface.ids.fill(-1);
}

/** Grid lines, one device pixel wide, at the given device-pixel places. */
export function drawGrid({ pixels, stride, rows, pad }, columns, lines, colour) {
  for (const x of columns)
    for (let o = Math.floor(x) + pad, y = 0; y < rows; y++) pixels[o + y * stride] = colour;
  for (const y of lines) {
    const o = (Math.floor(y) + pad) * stride;
    pixels.fill(colour, o, o + stride);
  }
}

/** Put the picture on a canvas of the same size. */
export function show(surface, context) {
  context.putImageData(surface.image, -surface.pad, -surface.pad);
}

/** Point on top at a device pixel, or −1. */
export function idAt({ ids, stride, pad, width, height }, x, y) {
  return x < 0 || y < 0 || x >= width || y >= height
    ? -1
    : ids[(Math.floor(y) + pad) * stride + Math.floor(x) + pad];
}

// Discs at every sub-pixel position: for each pixel its weights (of 256) of disc, rim and what lies below.
const prepared = new Map();
function discs(radius, rim) {
  const key = `${radius.toFixed(2)} ${rim.toFixed(2)}`;
  if (prepared.has(key)) return prepared.get(key);
  if (prepared.size > 60) prepared.clear();
  const reach = Math.ceil(radius + rim + 1),
    list = [];
  for (let sy = 0; sy < SUB; sy++)
    for (let sx = 0; sx < SUB; sx++) {
      const cells = [];
      for (let dy = -reach; dy <= reach; dy++)
        for (let dx = -reach; dx <= reach; dx++) {
          const d = Math.hypot(dx + 0.5 - (sx + 0.5) / SUB, dy + 0.5 - (sy + 0.5) / SUB);
          const disc = cover(radius - d),
            outer = rim ? 0.75 * cover(radius + rim - d) : 0;
          if (disc + outer > 0.004)
            cells.push([dx, dy, Math.round(256 * disc), Math.round(256 * outer * (1 - disc))]);
        }
      list.push({
        cells,
        n: cells.length,
        offset: new Int32Array(cells.length),
        disc: Uint16Array.from(cells, (c) => c[2]),
        rim: Uint16Array.from(cells, (c) => c[3]),
      });
    }
  prepared.set(key, list);
  return list;
}

function cover(inside) {
  return Math.min(1, Math.max(0, inside + 0.5));
}

/**
 * Draw points. `layer` is {n, x, y, order, tint}: n points in drawing order, their coordinates, their
 * numbers and their places in `colours` (32-bit pixels). `at` is {kx, bx, ky, by}: device pixel =
 * k·coordinate + b. `look` is {radius, rim, ground, moving}. Returns whether dots were drawn for speed
 * instead of discs.
 */
export function drawPoints(surface, layer, colours, at, look) {
  const area = Math.PI * (look.radius + look.rim + 0.5) ** 2;
  const draft = look.moving && layer.n * area > DRAFT_COST;
  if (draft || look.radius < 0.6) drawDots(surface, layer, colours, at, look.radius < 0.9 ? 1 : 2);
  else drawDiscs(surface, layer, colours, at, look);
  return draft;
}

function drawDots(
  { pixels, ids, stride, rows, pad },
  { n, x, y, order, tint },
  colours,
  { kx, bx, ky, by },
  size,
) {
  const right = stride - size,
    bottom = rows - size;
  for (let k = 0; k < n; k++) {
    const px = kx * x[k] + bx + pad,
      py = ky * y[k] + by + pad;
    if (!(px >= 0 && py >= 0 && px < right && py < bottom)) continue;
    const o = (py | 0) * stride + (px | 0),
      colour = colours[tint[k]],
      id = order[k];
    pixels[o] = colour;
    ids[o] = id;
    if (size === 1) continue;
    pixels[o + 1] = pixels[o + stride] = pixels[o + stride + 1] = colour;
    ids[o + 1] = ids[o + stride] = ids[o + stride + 1] = id;
  }
}

function drawDiscs(
  { pixels, ids, stride, rows, pad },
  { n, x, y, order, tint },
  colours,
  { kx, bx, ky, by },
  look,
) {
  const list = discs(look.radius, look.rim),
    reach = Math.ceil(look.radius + look.rim + 1);
  for (const disc of list)
    disc.cells.forEach((c, i) => {
      disc.offset[i] = c[1] * stride + c[0];
    });
  const right = stride - reach - 1,
    bottom = rows - reach - 1;
  const groundRB = look.ground & 0xff00ff,
    groundG = look.ground & 0xff00;
  for (let k = 0; k < n; k++) {
    const px = kx * x[k] + bx + pad,
      py = ky * y[k] + by + pad;
    if (!(px >= reach && py >= reach && px < right && py < bottom)) continue;
    const ix = px | 0,
      iy = py | 0,
      base = iy * stride + ix,
      colour = colours[tint[k]],
      id = order[k];
    const { n: cells, offset, disc, rim } = list[(((py - iy) * SUB) | 0) * SUB + (((px - ix) * SUB) | 0)];
    const redBlue = colour & 0xff00ff,
      green = colour & 0xff00;
    for (let c = 0; c < cells; c++) {
      const o = base + offset[c],
        a = disc[c];
      if (a > 127) ids[o] = id;
      if (a === 256) {
        pixels[o] = colour;
        continue;
      }
      const r = rim[c],
        below = 256 - a - r,
        under = pixels[o];
      const rb = Math.imul(redBlue, a) + Math.imul(groundRB, r) + Math.imul(under & 0xff00ff, below);
      const g = Math.imul(green, a) + Math.imul(groundG, r) + Math.imul(under & 0xff00, below);
      pixels[o] = 0xff000000 | ((rb >>> 8) & 0xff00ff) | ((g >>> 8) & 0xff00);
    }
  }
}
