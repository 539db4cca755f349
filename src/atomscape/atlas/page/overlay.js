// What lies over the points and changes often: rings around points, the lasso being drawn.
import { css } from "./colour.js";

/** Draw rings [{x, y, radius, strong}] and the lasso polygon (or null), in CSS pixels. */
export function drawOverlay(context, width, height, { rings, polygon, how }, theme) {
  context.clearRect(0, 0, width, height);
  for (const ring of rings) drawRing(context, ring, theme);
  if (!polygon) return;
  context.beginPath();
  for (let k = 0; k < polygon.length; k += 2) context.lineTo(polygon[k], polygon[k + 1]);
  context.closePath();
  const colour = how === "subtract" ? theme.muted : theme.accent;
  context.fillStyle = css(colour).replace("rgb", "rgba").replace(")", ", 0.1)");
  context.fill();
  context.setLineDash([5, 4]);
  context.lineWidth = 1.5;
  context.strokeStyle = css(colour);
  context.stroke();
  context.setLineDash([]);
}

function drawRing(context, { x, y, radius, strong }, theme) {
  for (const [width, colour] of [
    [strong ? 5 : 3.5, theme.ground],
    [strong ? 2.5 : 1.5, strong ? theme.accent : theme.ink],
  ]) {
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.lineWidth = width;
    context.strokeStyle = css(colour);
    context.stroke();
  }
}
