// The list of selected structures, with thumbnails; only the rows in sight exist in the page.
import { el, iconButton, sharpContext, shorten } from "./dom.js";
import { saveRows } from "./export.js";
import { formulaNode } from "./formula.js";
import { rowsOf } from "./lasso.js";
import { count, format, plural } from "./number.js";
import { paint } from "./painter.js";
import { valueText } from "./structure-card.js";

const ROW = 56; // CSS pixels
const THUMB = 44;
const MOST = 200000; // rows that fit the height a browser gives one element

/** Fill the card and keep it in step. Returns {rows()}. */
export function makeSelectionCard(card, { data, state, theme, scenes, colouring, onLocate }) {
  const parts = build(card),
    list = { rows: new Int32Array(0), order: "file", pool: [] };
  const column = () => colouring().column;
  const refresh = () => {
    list.rows = state.selection ? sorted(rowsOf(state.selection), list.order, column()) : new Int32Array(0);
    summarise(parts, list, data, column(), state);
    parts.scroll.scrollTop = 0;
    draw();
  };
  const draw = () => drawRows(parts, list, { data, state, theme, scenes, column: column(), onLocate });
  parts.scroll.addEventListener("scroll", draw, { passive: true });
  parts.order.addEventListener("change", () => {
    list.order = parts.order.value;
    refresh();
  });
  parts.clear.addEventListener("click", () => state.set({ selection: null, hits: null }));
  for (const [kind, button] of Object.entries(parts.save))
    button.addEventListener("click", () => saveRows(kind, list.rows, data));
  parts.scroll.addEventListener("keydown", (event) => stepThrough(event, parts, list, onLocate));
  state.on(["selection", "colour", "scale"], refresh);
  state.on(["focus", "theme", "loaded"], () => {
    draw();
    summarise(parts, list, data, column(), state);
  });
  new ResizeObserver(draw).observe(parts.scroll);
  refresh();
  return { rows: () => list.rows };
}

function build(card) {
  const option = (value, text) => el("option", { value }, text);
  const save = (text, title) => el("button", { type: "button", class: "text-button", title }, text);
  const parts = {
    title: el("h2", {}, "Selection"),
    about: el("p", { class: "id" }),
    order: el(
      "select",
      { "aria-label": "Order of the list", class: "small" },
      option("file", "as in the file"),
      option("up", "lowest first"),
      option("down", "highest first"),
    ),
    clear: iconButton("close", "Clear the selection (Esc)", () => {}),
    scroll: el("div", { class: "rows", tabindex: "0", role: "listbox", "aria-label": "Selected structures" }),
    inner: el("div", { class: "rows-inner" }),
    more: el("p", { class: "more" }),
    empty: el("div", { class: "empty-state" }),
    saving: el("div", { class: "saving" }),
    save: {
      csv: save("CSV", "Ids, formulas, datasets and values as a table"),
      json: save("JSON", "List of ids"),
      extxyz: save("extxyz", "The structures with their values; positions to 0.0001 Å"),
    },
  };
  parts.empty.append(
    el("p", {}, "Nothing selected yet."),
    el(
      "p",
      {},
      "Draw around points with the lasso ",
      el("kbd", {}, "L"),
      " or search ",
      el("kbd", {}, "/"),
      " to collect structures and save them.",
    ),
  );
  parts.saving.append(el("span", {}, "Save as"), ...Object.values(parts.save));
  parts.scroll.append(parts.inner);
  card.append(
    el(
      "div",
      { class: "card-head" },
      el("div", { class: "names" }, parts.title, parts.about),
      parts.order,
      parts.clear,
    ),
    parts.empty,
    parts.scroll,
    parts.more,
    parts.saving,
  );
  return parts;
}

/** Rows by value of a property; unknown values last. */
export function sorted(rows, order, column) {
  if (order === "file" || column.kind !== "number") return rows;
  const sign = order === "up" ? 1 : -1,
    value = (i) => (Number.isNaN(column.values[i]) ? Infinity : sign * column.values[i]);
  return rows.slice().sort((a, b) => value(a) - value(b) || a - b);
}

function summarise(parts, list, data, column, state) {
  const n = list.rows.length,
    some = n > 0;
  parts.title.textContent = some ? `${count(n)} selected` : "Selection";
  parts.about.textContent = some ? meanText(list.rows, column) || `of ${plural(data.n, "structure")}` : "";
  parts.about.title = `${column.name.replaceAll("_", " ")} of the selection: mean ± standard deviation`;
  parts.about.hidden = !some;
  for (const part of [parts.scroll, parts.saving, parts.clear]) part.hidden = !some;
  parts.order.hidden = !some || column.kind !== "number";
  parts.empty.hidden = some;
  parts.more.hidden = n <= MOST;
  parts.more.textContent = `The list shows the first ${count(MOST)}; all ${count(n)} are saved.`;
  const embedded = data.structures.ready() ? list.rows.filter((i) => data.structures.has(i)).length : 0;
  parts.save.extxyz.disabled = some && !embedded;
  parts.save.extxyz.textContent = embedded && embedded < n ? `extxyz (${count(embedded)})` : "extxyz";
}

function meanText(rows, column) {
  if (column.kind !== "number") return "";
  let n = 0,
    mean = 0,
    squares = 0;
  for (const i of rows) {
    const value = column.values[i];
    if (!Number.isFinite(value)) continue;
    const step = value - mean;
    mean += step / ++n;
    squares += step * (value - mean);
  }
  const unit = column.unit && column.unit !== "1" ? ` ${column.unit}` : "";
  return n ? `mean ${format(mean, 4)} ± ${format(Math.sqrt(squares / n), 3)}${unit}` : "";
}

function drawRows(parts, list, context) {
  const n = Math.min(MOST, list.rows.length),
    top = parts.scroll.scrollTop,
    height = parts.scroll.clientHeight;
  parts.inner.style.height = `${n * ROW}px`;
  const first = Math.max(0, Math.floor(top / ROW) - 2),
    last = Math.min(n, Math.ceil((top + height) / ROW) + 2);
  const needed = new Map(
    Array.from({ length: Math.max(0, last - first) }, (_, k) => [first + k, list.rows[first + k]]),
  );
  const spare = [];
  for (const node of [...parts.inner.children]) {
    if (
      needed.get(Number(node.dataset.at)) === Number(node.dataset.row) &&
      node.dataset.stamp === stamp(context)
    ) {
      needed.delete(Number(node.dataset.at));
      node.setAttribute("aria-selected", String(Number(node.dataset.row) === context.state.focus));
    } else spare.push(node);
  }
  spare.forEach((node) => node.remove());
  for (const [at, i] of needed) parts.inner.append(makeRow(at, i, context));
}

function stamp({ state, column, data }) {
  return `${state.theme} ${column.name} ${data.structures.ready()}`;
}

function makeRow(at, i, context) {
  const { data, state, column, onLocate } = context;
  const canvas = el("canvas", { "aria-hidden": "true" }),
    value = column === data.dataset ? "" : valueText(column, i);
  const row = el(
    "div",
    {
      class: data.structures.count ? "row" : "row plain",
      role: "option",
      "data-at": at,
      "data-row": i,
      "data-stamp": stamp(context),
      "aria-selected": String(i === state.focus),
      style: { top: `${at * ROW}px` },
      on: {
        click: () => onLocate(i),
        pointerenter: () => state.set({ hover: i }),
        pointerleave: () => state.set({ hover: -1 }),
      },
    },
    canvas,
    el(
      "div",
      { class: "row-names" },
      el("b", {}, formulaNode(data.formula(i))),
      el("span", { title: data.ids[i] }, shorten(data.ids[i], 24)),
    ),
    el("div", { class: "row-value" }, el("b", {}, value), el("span", {}, data.datasetOf(i))),
  );
  thumbnail(canvas, context.scenes(i), data, context.theme(), THUMB);
  return row;
}

/** Draw a small picture of a structure, or leave the canvas blank. */
export function thumbnail(canvas, scene, data, theme, size) {
  const context = sharpContext(canvas, size, size);
  context.clearRect(0, 0, size, size);
  if (scene)
    paint(context, scene, data.elements, {
      width: size,
      height: size,
      turned: null,
      zoom: 1.12,
      theme,
      quick: true,
    });
}

function stepThrough(event, parts, list, onLocate) {
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 5, PageUp: -5 }[event.key];
  if (!step && event.key !== "Enter") return;
  event.preventDefault();
  event.stopPropagation();
  const here = list.at ?? (step > 0 ? -1 : 0);
  list.at = Math.max(0, Math.min(list.rows.length - 1, here + (step ?? 0)));
  const top = list.at * ROW,
    { scroll } = parts;
  if (top < scroll.scrollTop) scroll.scrollTop = top;
  if (top + ROW > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top + ROW - scroll.clientHeight;
  onLocate(list.rows[list.at]);
}
