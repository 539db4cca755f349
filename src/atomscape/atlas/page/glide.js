// Points gliding from one projection to another.
import { gather } from "./layers.js";
import { toScreen } from "./view.js";

const GLIDE = 300; // ms

/** Coordinates of a layer's points on the screen, in CSS pixels. */
function onScreen(layer, xy, view, width, height) {
  const placed = gather(layer, xy),
    [x0, y0] = toScreen(view, width, height, 0, 0);
  for (let k = 0; k < placed.n; k++) {
    placed.x[k] = x0 + placed.x[k] * view.scale;
    placed.y[k] = y0 - placed.y[k] * view.scale;
  }
  return placed;
}

/**
 * Call `draw(layer)` with points on their way from `from` to `to`, each {xy, view}, then `done()`.
 * Returns a function that stops it.
 */
export function glide(layer, from, to, width, height, draw, done) {
  const a = onScreen(layer, from.xy, from.view, width, height),
    b = onScreen(layer, to.xy, to.view, width, height);
  const between = { ...layer, x: new Float32Array(layer.n), y: new Float32Array(layer.n) };
  const start = performance.now();
  let stopped = false;
  const step = (now) => {
    if (stopped) return;
    const t = Math.min(1, Math.max(0, (now - start) / GLIDE)),
      e = t * t * (3 - 2 * t);
    if (t >= 1) {
      done();
      return;
    }
    for (let k = 0; k < layer.n; k++) {
      between.x[k] = a.x[k] + (b.x[k] - a.x[k]) * e;
      between.y[k] = a.y[k] + (b.y[k] - a.y[k]) * e;
    }
    draw(between);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
  return () => {
    stopped = true;
  };
}
