// One picture of the map: ground, grid, density, points. The same for the screen and for a saved image.
import { mix, pixel } from "./colour.js";
import { ticksOf } from "./axes.js";
import { measure, paintDensity } from "./density.js";
import { clear, drawGrid, drawPoints } from "./raster.js";
import { toScreen } from "./view.js";

/** Radius of a point in CSS pixels: smaller where there are many, growing slowly as one zooms in. */
export function pointRadius(n, width, height, magnification, size) {
  const room = 0.32 * Math.sqrt(width * height / Math.max(1, n));
  const usual = Math.min(4.2, Math.max(0.75, room));
  return Math.min(9, usual * Math.max(0.8, Math.min(2.2, magnification ** 0.3)) * size);
}

/**
 * Draw into a surface. `frame` is {layer, view, width, height (CSS pixels), ratio, colours (32-bit), table ([r,g,b]),
 * mode, radius, moving, theme}; `placed` says that the layer's coordinates are CSS pixels already.
 * Returns whether it is a draft to be drawn again when at rest.
 */
export function drawPlot(surface, frame, placed = false) {
  const { layer, view, width, height, ratio, mode, theme } = frame;
  clear(surface, pixel(theme.ground));
  const at = placed ? { kx: ratio, bx: 0, ky: ratio, by: 0 } : {
    kx: view.scale * ratio, bx: (width / 2 - view.x * view.scale) * ratio,
    ky: -view.scale * ratio, by: (height / 2 + view.y * view.scale) * ratio,
  };
  const look = { radius: frame.radius * ratio, rim: frame.radius >= 1.8 ? 0.7 * ratio : 0, ground: pixel(theme.ground),
    moving: frame.moving };
  const sigma = ratio * Math.max(4, 2.2 * frame.radius + 3.5);
  if (mode === "density") return densityOnly(surface, frame, at, look, sigma, placed);
  if (!placed) grid(surface, frame);
  if (mode === "both" && !frame.moving) {
    paintDensity(surface, measure(surface, layer, at, sigma), theme.ground, theme.muted);
  }
  return drawPoints(surface, layer, frame.colours, at, look) || (mode === "both" && frame.moving);
}

// Points are drawn first, so that they can be picked, and covered by the density.
function densityOnly(surface, frame, at, look, sigma, placed) {
  drawPoints(surface, frame.layer, frame.colours, at, look);
  if (frame.moving && frame.layer.n > 3e5) return true;
  surface.pixels.fill(pixel(frame.theme.ground));
  if (!placed) grid(surface, frame);
  paintDensity(surface, measure(surface, frame.layer, at, sigma, frame.table), frame.theme.ground);
  return false;
}

function grid(surface, { view, width, height, ratio, theme }) {
  const { x, y } = ticksOf(view, width, height);
  const columns = x.ticks.map((v) => toScreen(view, width, height, v, 0)[0] * ratio);
  const lines = y.ticks.map((v) => toScreen(view, width, height, 0, v)[1] * ratio);
  drawGrid(surface, columns, lines, pixel(mix(theme.ground, theme.grid, 0.55)));
}
