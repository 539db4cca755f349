// The colour bar: a histogram in the colours of the map above an axis with round values and the unit.
import { css } from "./colour.js";
import { format, formatTick } from "./number.js";

const BINS = 51; // five colour numbers each, so that equal values fill equal bars

/** Counts of values along a scale, all and chosen ones. */
export function histogram(numbers, unknown, counted, chosen) {
  const all = new Uint32Array(BINS),
    part = new Uint32Array(BINS);
  for (let i = 0; i < numbers.length; i++) {
    if (numbers[i] === unknown || !counted(i)) continue;
    const bin = Math.min(BINS - 1, Math.floor((numbers[i] * BINS) / 255));
    all[bin]++;
    if (chosen && chosen[i]) part[bin]++;
  }
  return { all, part: chosen ? part : null };
}

/** Text of a tick. */
export function tickText(scale, value) {
  return scale.step ? formatTick(value, scale.step) : format(value, 3);
}

/** Place of a tick along the scale, 0…1. */
export function tickPlaces(scale) {
  return scale.ticks
    .map((v, k) => ({ value: v, t: scale.places ? scale.places[k] : scale.to(v) }))
    .filter(({ t }) => t >= -0.001 && t <= 1.001);
}

/** Draw the bar at (0, 0) with the given width; returns its height. */
export function drawLegend(context, { width, scale, table, bars, theme, high = 46 }) {
  const most = Math.max(1, ...bars.all),
    step = width / BINS,
    barTop = high + 3,
    bar = 9;
  const colour = (b) => table[Math.min(254, Math.round(((b + 0.5) * 254) / BINS))];
  const height = (n) => (n ? Math.max(1.5, high * Math.sqrt(n / most)) : 0);
  for (let b = 0; b < BINS; b++) {
    const all = height(bars.all[b]),
      part = bars.part ? height(bars.part[b]) : all;
    context.globalAlpha = bars.part ? 0.28 : 1;
    context.fillStyle = css(colour(b));
    context.fillRect(b * step, high - all, step - 1, all);
    context.globalAlpha = 1;
    if (bars.part) context.fillRect(b * step, high - part, step - 1, part);
  }
  for (let x = 0; x < width; x++) {
    context.fillStyle = css(table[Math.round((254 * x) / Math.max(1, width - 1))]);
    context.fillRect(x, barTop, 1.5, bar);
  }
  drawTicks(context, width, barTop + bar, scale, theme);
  return barTop + bar + 24;
}

function drawTicks(context, width, top, scale, theme) {
  context.font = `11.5px ${theme.font}`;
  context.textBaseline = "top";
  let free = -Infinity;
  for (const { value, t } of tickPlaces(scale)) {
    const x = t * width,
      text = tickText(scale, value),
      half = context.measureText(text).width / 2;
    const middle = Math.min(width - half, Math.max(half, x));
    if (middle - half < free + 6) continue;
    free = middle + half;
    context.fillStyle = css(theme.grid);
    context.fillRect(Math.min(width - 1, Math.max(0, x - 0.5)), top, 1, 4);
    context.fillStyle = css(theme.muted);
    context.textAlign = "center";
    context.fillText(text, middle, top + 7);
  }
}
