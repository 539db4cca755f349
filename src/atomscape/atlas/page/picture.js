// The map as an image with title, axes and legend, at twice the size of the screen.
import { MARGIN, drawAxes } from "./axes.js";
import { css } from "./colour.js";
import { count } from "./number.js";
import { drawLegend } from "./legend.js";
import { drawPlot } from "./plot.js";
import { makeSurface } from "./raster.js";

const RATIO = 2,
  SIDE = 250,
  TITLE = 46;

/** Draw the picture; returns a canvas. `bars` is the histogram of the legend. */
export function drawPicture(map, colouring, bars, title, theme) {
  const { width, height } = map,
    whole = {
      width: MARGIN.left + width + MARGIN.right + SIDE,
      height: TITLE + MARGIN.top + height + MARGIN.bottom,
    };
  const canvas = document.createElement("canvas");
  canvas.width = whole.width * RATIO;
  canvas.height = whole.height * RATIO;
  const context = canvas.getContext("2d");
  context.scale(RATIO, RATIO);
  context.fillStyle = css(theme.ground);
  context.fillRect(0, 0, whole.width, whole.height);
  context.drawImage(plotImage(map), MARGIN.left, TITLE + MARGIN.top, width, height);
  drawAxes(context, {
    left: MARGIN.left,
    top: TITLE + MARGIN.top,
    width,
    height,
    view: map.view(),
    labels: map.projection().axes,
    theme,
  });
  context.fillStyle = css(theme.ink);
  context.textBaseline = "alphabetic";
  context.font = `600 17px ${theme.font}`;
  context.fillText(title, MARGIN.left, 34, whole.width - MARGIN.left - 16);
  context.translate(MARGIN.left + width + MARGIN.right + 14, TITLE + MARGIN.top);
  const end = drawKey(context, colouring, bars, theme);
  drawFigures(
    context,
    [`${count(map.currentLayer().n)} structures`, ...map.projection().figures.map(([a, b]) => `${a} ${b}`)],
    end + 22,
    theme,
  );
  return canvas;
}

function plotImage(map) {
  const surface = makeSurface(Math.round(map.width * RATIO), Math.round(map.height * RATIO));
  drawPlot(surface, { ...map.picture(), ratio: RATIO, moving: false });
  const canvas = document.createElement("canvas");
  canvas.width = surface.width;
  canvas.height = surface.height;
  canvas.getContext("2d").putImageData(surface.image, -surface.pad, -surface.pad);
  return canvas;
}

// Title and colours at (0, 0); returns how far down it reaches.
function drawKey(context, { column, scale, rows, table }, bars, theme) {
  const unit = column.unit && column.unit !== "1" ? ` (${column.unit})` : "",
    width = SIDE - 34;
  context.fillStyle = css(theme.ink);
  context.font = `600 13px ${theme.font}`;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  context.fillText(column.name.replaceAll("_", " ") + unit, 0, 12, width);
  context.translate(0, 24);
  if (scale) return drawLegend(context, { width, scale, table, bars, theme });
  context.font = `13px ${theme.font}`;
  context.textBaseline = "middle";
  rows.forEach(({ text, number, count: n }, k) => {
    context.fillStyle = css(table[number]);
    context.beginPath();
    context.arc(6, 12 + 24 * k, 5.5, 0, 7);
    context.fill();
    context.fillStyle = css(theme.ink);
    context.fillText(text, 20, 12 + 24 * k, width - 90);
    context.fillStyle = css(theme.muted);
    context.textAlign = "right";
    context.fillText(count(n), width, 12 + 24 * k);
    context.textAlign = "left";
  });
  return 24 * rows.length;
}

function drawFigures(context, lines, top, theme) {
  context.font = `12px ${theme.font}`;
  context.fillStyle = css(theme.muted);
  context.textAlign = "left";
  context.textBaseline = "top";
  lines.forEach((line, k) => context.fillText(line, 0, top + 19 * k, SIDE - 34));
}
