// Where the map is looked at: a centre in map units and a scale (CSS pixels per unit, equal on both axes).

/** Smallest box around all points. */
export function boundsOf(xy) {
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let k = 0; k < xy.length; k += 2) {
    const x = xy[k],
      y = xy[k + 1];
    if (x < x0) x0 = x;
    if (x > x1) x1 = x;
    if (y < y0) y0 = y;
    if (y > y1) y1 = y;
  }
  return { x0, x1, y0, y1 };
}

/** The view that shows a box with a margin (CSS pixels). */
export function fitView({ x0, x1, y0, y1 }, width, height, margin = 22) {
  const w = Math.max(40, width - 2 * margin),
    h = Math.max(40, height - 2 * margin);
  const scales = [w / (x1 - x0), h / (y1 - y0)].filter(Number.isFinite);
  return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, scale: scales.length ? Math.min(...scales) : 1 };
}

/** Map units → CSS pixels of the plot. */
export function toScreen(view, width, height, x, y) {
  return [(x - view.x) * view.scale + width / 2, height / 2 - (y - view.y) * view.scale];
}

/** CSS pixels of the plot → map units. */
export function toMap(view, width, height, px, py) {
  return [view.x + (px - width / 2) / view.scale, view.y - (py - height / 2) / view.scale];
}

/** Zoom by a factor, keeping the place under (px, py) where it is. */
export function zoomAt(view, width, height, px, py, factor, limits) {
  const scale = Math.min(limits[1], Math.max(limits[0], view.scale * factor));
  const [x, y] = toMap(view, width, height, px, py);
  return { x: x - (px - width / 2) / scale, y: y + (py - height / 2) / scale, scale };
}

/** Move the view by CSS pixels. */
export function panBy(view, dx, dy) {
  return { ...view, x: view.x - dx / view.scale, y: view.y + dy / view.scale };
}
