// One picture of the map: ground, grid, density, points. The same for the screen and for a saved image.
import { mix, pixel } from "./colour.js";
import { ticksOf } from "./axes.js";
import { measure, paintDensity } from "./density.js";
import { clear, drawGrid, drawPoints } from "./raster.js";
import { toScreen } from "./view.js";

const FLUENT = 3e5; // points up to which density is drawn while moving, too

/** Radius of a point in CSS pixels: smaller where there are many, growing slowly as one zooms in. */
export function pointRadius(n, width, height, magnification, size) {
  const room = 0.32 * Math.sqrt((width * height) / Math.max(1, n));
  const usual = Math.min(4.2, Math.max(0.75, room));
  return Math.min(9, usual * Math.max(0.8, Math.min(2.2, magnification ** 0.3)) * size);
}

/**
 * Draw into a surface. `frame` is {layer, view, width, height (CSS pixels), ratio, colours (32-bit), table
 * ([r, g, b]), mode, radius, moving, theme}; `placed` says that the layer's coordinates are CSS pixels
 * already. Returns whether it is a draft to be drawn again when at rest.
 */
export function drawPlot(surface, frame, placed = false) {
  const { layer, ratio, mode, theme, radius, moving } = frame;
  const ground = pixel(theme.ground);
  const at = placed ? { kx: ratio, bx: 0, ky: ratio, by: 0 } : transform(frame);
  const look = { radius: radius * ratio, rim: radius >= 1.8 ? 0.7 * ratio : 0, ground, moving };
  const smoothing = { sigma: ratio * Math.max(4, 2.2 * radius + 3.5), cell: Math.round(2 * ratio) };
  const rough = moving && layer.n > FLUENT;
  clear(surface, ground);
  if (mode === "density") {
    // Points are drawn first, so that they can be picked, and covered by the density.
    drawPoints(surface, layer, frame.colours, at, look);
    if (rough) return true;
    surface.pixels.fill(ground);
  }
  if (!placed) grid(surface, frame);
  if (mode === "density") {
    paintDensity(surface, measure(surface, layer, at, { ...smoothing, rgb: frame.table }), theme.ground);
    return false;
  }
  if (mode === "both" && !rough) {
    paintDensity(surface, measure(surface, layer, at, smoothing), theme.ground, theme.muted);
  }
  return drawPoints(surface, layer, frame.colours, at, look) || (mode === "both" && rough);
}

// Map units → device pixels.
function transform({ view, width, height, ratio }) {
  const k = view.scale * ratio;
  return { kx: k, bx: (width / 2) * ratio - view.x * k, ky: -k, by: (height / 2) * ratio + view.y * k };
}

function grid(surface, { view, width, height, ratio, theme }) {
  const { x, y } = ticksOf(view, width, height);
  const columns = x.ticks.map((v) => toScreen(view, width, height, v, 0)[0] * ratio);
  const lines = y.ticks.map((v) => toScreen(view, width, height, 0, v)[1] * ratio);
  drawGrid(surface, columns, lines, pixel(mix(theme.ground, theme.grid, 0.55)));
}
