// Which point is under the cursor: the nearest of those that can be seen around it.
import { idAt } from "./raster.js";

/**
 * Nearest visible point within `reach` device pixels of (x, y), or −1. `place(i)` gives a point's device
 * pixel. Points are found in the picture of point numbers, so a point that is wholly covered is never
 * picked.
 */
export function pick(surface, x, y, reach, place) {
  const seen = new Set(),
    r = Math.ceil(reach);
  for (let dy = -r; dy <= r; dy++)
    for (let dx = -r; dx <= r; dx++) {
      const id = dx * dx + dy * dy <= reach * reach ? idAt(surface, x + dx, y + dy) : -1;
      if (id >= 0) seen.add(id);
    }
  let best = -1,
    least = Infinity;
  for (const id of seen) {
    const [px, py] = place(id),
      d = (px - x) ** 2 + (py - y) ** 2;
    if (d < least) {
      least = d;
      best = id;
    }
  }
  return best;
}
