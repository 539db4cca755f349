// Axes of the map: ticks at round values and the labels of the projection.
import { css } from "./colour.js";
import { formatTick, niceTicks } from "./number.js";
import { toMap, toScreen } from "./view.js";

/** Room for the axes around the plot, CSS pixels. */
export const MARGIN = { left: 58, right: 14, top: 14, bottom: 46 };

/** Ticks that are in sight: {x: {step, ticks}, y: …}. */
export function ticksOf(view, width, height) {
  const [x0, y0] = toMap(view, width, height, 0, height),
    [x1, y1] = toMap(view, width, height, width, 0);
  const x = niceTicks(x0, x1, Math.max(3, width / 120));
  const y = niceTicks(y0, y1, Math.max(3, height / 120));
  const step = Math.max(x.step, y.step);
  return {
    x: { step, ticks: niceTicks(x0, x1, (x1 - x0) / step).ticks },
    y: { step, ticks: niceTicks(y0, y1, (y1 - y0) / step).ticks },
  };
}

/** Draw frame, ticks and labels. The plot is width × height, its corner at (left, top). */
export function drawAxes(context, { left, top, width, height, view, labels, theme }) {
  const { x, y } = ticksOf(view, width, height);
  context.save();
  context.translate(left, top);
  context.strokeStyle = css(theme.grid);
  context.lineWidth = 1;
  context.strokeRect(0.5, 0.5, width - 1, height - 1);
  context.fillStyle = css(theme.muted);
  context.font = `11.5px ${theme.font}`;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const v of x.ticks) {
    const [px] = toScreen(view, width, height, v, 0);
    if (px > 8 && px < width - 8) context.fillText(formatTick(v, x.step), px, height + 7);
  }
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const v of y.ticks) {
    const [, py] = toScreen(view, width, height, 0, v);
    if (py > 6 && py < height - 6) context.fillText(formatTick(v, y.step), -8, py);
  }
  context.fillStyle = css(theme.ink);
  context.font = `500 12.5px ${theme.font}`;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  context.fillText(labels[0], width / 2, height + MARGIN.bottom - 8);
  context.rotate(-Math.PI / 2);
  context.fillText(labels[1], -height / 2, -MARGIN.left + 16);
  context.restore();
}
