// The card of the structure under the cursor, or of the one that was clicked: 3D view and values.
import { makeScene } from "./crystal.js";
import { el, icon, iconButton, shorten } from "./dom.js";
import { formulaNode } from "./formula.js";
import { format, plural } from "./number.js";
import { Viewer } from "./viewer.js";

const REMEMBERED = 300; // scenes kept

/** Maker of scenes for rows of the data; null where the structure is not in the file. */
export function makeScenes(data) {
  const scenes = new Map();
  return (i) => {
    if (i < 0 || !data.structures.has(i)) return null;
    if (!scenes.has(i)) {
      if (scenes.size > REMEMBERED) scenes.delete(scenes.keys().next().value);
      scenes.set(i, makeScene(data.structures.get(i), data.elements));
    }
    return scenes.get(i);
  };
}

/** Text of a value with its unit. */
export function valueText(column, i) {
  if (column.kind === "category") return column.table[column.codes[i]] || "unknown";
  const value = column.values[i];
  return Number.isFinite(value) && column.unit && column.unit !== "1"
    ? `${format(value)} ${column.unit}`
    : format(value);
}

/** Fill the card and keep it in step. Returns {viewer, shown()}. */
export function makeStructureCard(card, { data, state, theme, scenes, onLocate }) {
  const parts = build(card, state, onLocate);
  const viewer = new Viewer(parts.stage, data.elements, theme, () => describe(parts, viewer, data, shown));
  let shown = -1;
  const update = () => {
    const i = state.focus >= 0 ? state.focus : state.hover >= 0 ? state.hover : shown;
    card.classList.toggle("pinned", state.focus >= 0);
    parts.locate.hidden = parts.unpin.hidden = state.focus < 0;
    if (i !== shown) show(i);
  };
  const show = (i) => {
    shown = i;
    head(parts, data, i);
    values(parts, data, i);
    viewer.show(scenes(i));
    describe(parts, viewer, data, i);
  };
  parts.reset.addEventListener("click", () => viewer.reset());
  parts.closer.addEventListener("click", () => viewer.zoom(1.25));
  parts.farther.addEventListener("click", () => viewer.zoom(0.8));
  parts.spin.addEventListener("click", () => {
    viewer.spin(!viewer.spinning);
    parts.spin.setAttribute("aria-pressed", String(viewer.spinning));
  });
  state.on(["focus"], update);
  state.on(["hover"], later(update, 60));
  state.on(["theme"], () => viewer.refresh());
  state.on(["loaded"], () => show(shown));
  show(-1);
  update();
  return { viewer, shown: () => shown };
}

// Wait until the cursor rests, so that sweeping over the map does not build every structure on its way.
function later(act, wait) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, wait);
  };
}

function build(card, state, onLocate) {
  const none = () => {};
  const parts = {
    title: el("h2"),
    id: el("p", { class: "id" }),
    stage: el("div", { class: "stage", role: "img", title: "Drag to turn, wheel to zoom" }),
    message: el("p", { class: "message" }),
    without: el("p", { class: "without", hidden: true }, "drawn without WebGL"),
    hint: el("div", { class: "stage-hint" }, icon("molecule")),
    values: el("dl", { class: "values" }),
    spin: iconButton("spin", "Spin", none, { "aria-pressed": "false" }),
    reset: iconButton("fit", "Reset the view", none),
    closer: iconButton("plus", "Closer", none),
    farther: iconButton("minus", "Farther", none),
    locate: iconButton("pin", "Show on the map", onLocate),
    unpin: iconButton("close", "Let go (Esc)", () => state.set({ focus: -1 })),
  };
  const text = el("div", { class: "names" }, parts.title, parts.id);
  card.append(
    el("div", { class: "card-head" }, text, parts.locate, parts.unpin),
    el(
      "div",
      { class: "stage-box" },
      parts.stage,
      parts.hint,
      parts.without,
      parts.message,
      el("div", { class: "stage-tools" }, parts.spin, parts.closer, parts.farther, parts.reset),
    ),
    parts.values,
  );
  return parts;
}

function head(parts, data, i) {
  parts.title.replaceChildren(i >= 0 ? formulaNode(data.formula(i)) : "Structure");
  const name = i >= 0 ? `${shorten(data.ids[i], 40)} · ${data.datasetOf(i)}` : "";
  parts.id.textContent = name || "Point at the map to look at one, click to keep it";
  parts.id.title = i >= 0 ? data.ids[i] : "";
}

// What is known of a structure: on a map of several datasets most properties belong to one of them.
function values(parts, data, i) {
  const told = (c) => c !== data.dataset && !valueText(c, i).startsWith("unknown");
  const columns = i >= 0 ? [...data.columns.values()].filter(told) : [];
  parts.values.replaceChildren(
    ...columns.flatMap((c) => [
      el("dt", { title: c.name }, c.name.replaceAll("_", " ")),
      el("dd", {}, valueText(c, i)),
    ]),
  );
  parts.values.hidden = !columns.length;
}

function describe(parts, viewer, data, i) {
  const { count, of } = data.structures;
  const absent =
    count === 0
      ? "This map holds no 3D structures."
      : "This structure is not in the file: only " +
        `${count.toLocaleString("en-US")} of ${of.toLocaleString("en-US")} are, to keep it small.`;
  const atoms = viewer.scene ? new Set(viewer.scene.atoms.map((a) => a.i)).size : 0;
  const waiting = !data.structures.ready() ? "Reading structures…" : absent;
  parts.message.textContent = i >= 0 && !viewer.scene ? waiting : "";
  parts.message.hidden = !parts.message.textContent;
  parts.hint.hidden = i >= 0;
  parts.stage.classList.toggle("empty", !viewer.scene);
  parts.stage.setAttribute(
    "aria-label",
    viewer.scene
      ? `3D view, ${plural(atoms, "atom")}${viewer.scene.edges.length ? ", with its unit cell" : ""}`
      : "3D view, empty",
  );
  parts.without.hidden = !viewer.problem || !viewer.scene;
  parts.without.title = viewer.problem;
  if (i < 0) return;
  parts.spin.disabled = parts.reset.disabled = parts.closer.disabled = parts.farther.disabled = !viewer.scene;
}
