// What colours the points, and the legend: a colour bar with a histogram, or a list of categories.
import { PALETTES, UNKNOWN, css } from "./colour.js";
import { el, sharpContext } from "./dom.js";
import { combine } from "./lasso.js";
import { drawLegend, histogram, tickText } from "./legend.js";
import { count, format } from "./number.js";

/** Fill the card and keep it in step. Returns {bars()} for saved images. */
export function makeColourCard(card, { data, state, theme, colouring, map }) {
  const parts = build(card, data);
  let bars = { all: [], part: null };
  const draw = () => {
    const now = colouring(),
      numeric = now.kind === "number";
    showChoices(parts, state, colouring.scalesOf(now.column), numeric);
    parts.bar.hidden = !numeric;
    parts.list.hidden = numeric;
    parts.note.textContent = noteOf(now, data);
    parts.note.hidden = !parts.note.textContent;
    if (numeric) {
      bars = histogram(now.numbers, UNKNOWN, (i) => map.visible(i), state.hits ?? state.selection);
      drawBar(parts.canvas, now, bars, theme());
      parts.bar.setAttribute("aria-label", spokenScale(now));
    } else {
      parts.list.replaceChildren(...now.rows.map((row) => categoryRow(row, now, state, map)));
    }
  };
  listenToChoices(parts, state, colouring, data);
  listenToBrush(parts, state, colouring, map);
  state.on(["colour", "scale", "palette", "hidden", "selection", "hits", "theme"], draw);
  new ResizeObserver(draw).observe(card);
  draw();
  return { bars: () => bars };
}

function build(card, data) {
  const choose = (label, options) =>
    el("select", { "aria-label": label }, ...options.map(([value, text]) => el("option", { value }, text)));
  const label = (c) => c.name.replaceAll("_", " ") + (c.unit && c.unit !== "1" ? ` (${c.unit})` : "");
  const parts = {
    property: choose(
      "Colour by",
      [...data.columns.values()].map((c) => [c.name, label(c)]),
    ),
    scale: choose("Scale", []),
    palette: choose(
      "Colours",
      PALETTES.map((p) => [p, p[0].toUpperCase() + p.slice(1)]),
    ),
    canvas: el("canvas"),
    brush: el("div", { class: "brush", hidden: true }),
    bar: el("div", { class: "colour-bar", role: "img" }),
    list: el("div", { class: "categories", role: "group", "aria-label": "Categories" }),
    note: el("p", { class: "note" }),
  };
  parts.property.className = "wide";
  parts.bar.append(parts.canvas, parts.brush);
  parts.bar.title = "Drag to select the structures in a range";
  parts.options = el("div", { class: "choices" }, parts.scale, parts.palette);
  card.append(
    el("div", { class: "card-head" }, el("h2", {}, "Colour"), parts.property),
    parts.bar,
    parts.list,
    parts.note,
    parts.options,
  );
  return parts;
}

function showChoices(parts, state, scales, numeric) {
  parts.property.value = state.colour;
  parts.options.hidden = !numeric;
  parts.scale.replaceChildren(...scales.map(([value, text]) => el("option", { value }, text)));
  parts.scale.value = state.scale;
  parts.palette.value = state.palette;
}

function listenToChoices(parts, state, colouring, data) {
  parts.property.addEventListener("change", () => {
    const column = data.columns.get(parts.property.value);
    state.set({ colour: column.name, scale: colouring.usual(column) });
  });
  parts.scale.addEventListener("change", () => state.set({ scale: parts.scale.value }));
  parts.palette.addEventListener("change", () => state.set({ palette: parts.palette.value }));
}

function drawBar(canvas, { scale, table }, bars, theme) {
  const width = Math.max(80, canvas.parentElement.clientWidth),
    context = sharpContext(canvas, width, 82);
  context.clearRect(0, 0, width, 82);
  drawLegend(context, { width, scale, table, bars, theme });
}

function spokenScale({ column, scale }) {
  const unit = column.unit ? ` ${column.unit}` : "";
  const range = `${tickText(scale, scale.low)} to ${tickText(scale, scale.high)}`;
  return `Colour scale of ${column.name.replaceAll("_", " ")}, ${range}${unit}`;
}

// What the bar does not show: values beyond its ends and unknown ones.
function noteOf({ column, kind, scale, numbers }, data) {
  if (kind !== "number") return "";
  let unknown = 0;
  for (let i = 0; i < data.n; i++) if (numbers[i] === UNKNOWN) unknown++;
  const parts = [];
  if (scale.cutLow || scale.cutHigh)
    parts.push(
      `Ends of the bar hold all values beyond ${format(scale.low, 3)} and ${format(scale.high, 3)}.`,
    );
  const negative = scale.kind === "log" && column.values.some((v) => v <= 0);
  if (unknown)
    parts.push(
      `${count(unknown)} ${negative ? "without a value or not positive" : "without a value"} in grey.`,
    );
  return parts.join(" ");
}

function categoryRow({ text, number, codes, count: n }, { column, table }, state, map) {
  const choose = (event) => {
    const wanted = new Set(codes),
      mask = Uint8Array.from(column.codes, (c, i) => (wanted.has(c) && map.visible(i) ? 1 : 0));
    const chosen = combine(
      state.selection,
      mask,
      event.shiftKey ? "add" : event.altKey ? "subtract" : "replace",
    );
    state.set({ selection: chosen?.some(Boolean) ? chosen : null, hits: null });
  };
  return el(
    "button",
    {
      type: "button",
      class: "category",
      title: "Select these (shift adds, alt takes away)",
      on: { click: choose },
    },
    el("span", { class: "dot", style: { background: css(table[number]) } }),
    el("span", { class: "category-name" }, text),
    el("span", { class: "category-count" }, count(n)),
  );
}

// Drag over the bar: select what has values in that range.
function listenToBrush(parts, state, colouring, map) {
  let start = null;
  const place = (event) => {
    const box = parts.canvas.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  parts.bar.addEventListener("pointerdown", (event) => {
    start = place(event);
    parts.bar.setPointerCapture(event.pointerId);
  });
  parts.bar.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const [a, b] = [start, place(event)].sort((p, q) => p - q);
    parts.brush.hidden = false;
    Object.assign(parts.brush.style, { left: `${a * 100}%`, width: `${(b - a) * 100}%` });
  });
  parts.bar.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [a, b] = [start, place(event)].sort((p, q) => p - q),
      { numbers } = colouring();
    start = null;
    parts.brush.hidden = true;
    if (b - a < 0.01) return;
    const mask = Uint8Array.from(numbers, (v, i) =>
      v !== UNKNOWN && v / 254 >= a && v / 254 <= b && map.visible(i) ? 1 : 0,
    );
    state.set({ selection: mask.some(Boolean) ? mask : null, hits: null });
  });
}
