// Which ball lies under the pointer.

/** The ball at (x, y) in CSS pixels: {name, at, radius}, or null. The nearest to the viewer wins. */
export function pick(layers, camera, x, y) {
  let found = null,
    nearest = -Infinity;
  for (const layer of layers)
    for (const { at, radii, names } of layer.balls)
      for (let i = 0; i < radii.length; i++) {
        const place = [at[3 * i], at[3 * i + 1], at[3 * i + 2]],
          p = camera.project(place);
        const apart = Math.hypot(p.x - x, p.y - y) / p.scale;
        if (!p.front || apart > radii[i]) continue;
        const z = p.v[2] + Math.sqrt(radii[i] ** 2 - apart ** 2);
        if (z > nearest) {
          nearest = z;
          found = { name: names[i], at: place, radius: radii[i] };
        }
      }
  return found;
}
