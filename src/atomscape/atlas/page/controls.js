// Controls around the map: projections, points or density, size, tools, datasets, theme.
import { el, icon, iconButton, segmented } from "./dom.js";
import { count, plural } from "./number.js";

const MODES = [
  ["points", "Points", "Every structure as a point"],
  ["density", "Density", "Where structures crowd, in their mean colour"],
  ["both", "Both", "Points over their density"],
];

/** Toolbar above the map. */
export function makeToolbar(box, { data, state, map }) {
  const tabs = segmented(
    "Projection",
    data.projections.map((p) => [p.name, p.name, `Map by ${p.name}`]),
    state.projection,
    (projection) => state.set({ projection }),
  );
  const modes = segmented("Drawing", MODES, state.mode, (mode) => state.set({ mode }));
  const size = el("input", {
    type: "range",
    min: "-1",
    max: "1",
    step: "0.05",
    "aria-label": "Size of the points",
    title: "Size of the points",
  });
  size.addEventListener("input", () => state.set({ size: 2.6 ** Number(size.value) }));
  const sync = () => {
    tabs.choose(state.projection);
    modes.choose(state.mode);
    size.value = String(Math.log(state.size) / Math.log(2.6));
  };
  box.append(
    tabs,
    makeTools({ state, map }),
    el("span", { class: "space" }),
    modes,
    el("label", { class: "size" }, el("i", { class: "small-dot" }), size, el("i", { class: "big-dot" })),
  );
  state.on(["projection", "mode", "size"], sync);
  sync();
}

function makeTools({ state, map }) {
  const pan = iconButton("move", "Move the map (V)", () => state.set({ tool: "pan" }));
  const lasso = iconButton("lasso", "Lasso (L): shift adds, alt takes away", () =>
    state.set({ tool: "lasso" }),
  );
  const sync = () => {
    pan.setAttribute("aria-pressed", String(state.tool === "pan"));
    lasso.setAttribute("aria-pressed", String(state.tool === "lasso"));
    map.overlay.dataset.tool = state.tool;
  };
  state.on(["tool"], sync);
  sync();
  return el(
    "div",
    { class: "tools", role: "group", "aria-label": "Tools" },
    pan,
    lasso,
    el("i", { class: "rule" }),
    iconButton("plus", "Zoom in (+)", () => map.zoom(1.5)),
    iconButton("minus", "Zoom out (−)", () => map.zoom(1 / 1.5)),
    iconButton("fit", "Show all points (0)", () => map.setView(null)),
  );
}

/** One chip per dataset: how many structures, and whether they are shown. */
export function makeDatasets(box, { data, state, colouring, theme, css }) {
  const counts = new Uint32Array(data.dataset.table.length);
  for (const code of data.dataset.codes) counts[code]++;
  const draw = () => {
    const now = colouring(),
      byDataset = now.column === data.dataset;
    box.replaceChildren(
      ...data.dataset.table.map((name, code) => {
        const colour = byDataset ? now.rows.find((r) => r.codes.includes(code)) : null;
        const style = colour ? { "--dot": css(now.table[colour.number]) } : {};
        return el(
          "button",
          {
            type: "button",
            class: "chip",
            style,
            "aria-pressed": String(!state.hidden[code]),
            title: state.hidden[code] ? `Show ${name}` : `Hide ${name}`,
            on: { click: () => toggle(state, code) },
          },
          el("span", { class: "dot" }),
          el("span", { class: "chip-name" }, name || "unnamed"),
          el("span", { class: "chip-count" }, count(counts[code])),
        );
      }),
    );
  };
  state.on(["hidden", "colour", "theme"], draw);
  draw();
}

function toggle(state, code) {
  const hidden = state.hidden.slice();
  hidden[code] = hidden[code] ? 0 : 1;
  state.set({ hidden });
}

/** Numbers that belong to the projection in sight, as its trustworthiness. */
export function makeFigures(box, { state, map }) {
  const draw = () =>
    box.replaceChildren(
      ...map
        .projection()
        .figures.flatMap(([label, value], k) => [
          ...(k ? [el("span", { class: "between" }, "·")] : []),
          el("span", {}, label, " "),
          el("b", {}, value),
        ]),
    );
  state.on(["projection"], draw);
  draw();
}

/** Buttons at the right of the page's head. */
export function makeActions(box, { state, onPicture, onAbout }) {
  const theme = iconButton("moon", "Dark or light (T)", () =>
    state.set({ theme: state.theme === "dark" ? "light" : "dark" }),
  );
  const sync = () => theme.replaceChildren(icon(state.theme === "dark" ? "sun" : "moon"));
  box.append(
    iconButton("image", "Save the map as an image", onPicture),
    theme,
    iconButton("info", "About this map (?)", onAbout),
  );
  state.on(["theme"], sync);
  sync();
}

/** "20,000 structures from 2 datasets". */
export function subtitle(data) {
  const sets = data.dataset.table.length;
  const from =
    sets > 1
      ? ` from ${plural(sets, "dataset")}`
      : data.dataset.table[0]
        ? ` from ${data.dataset.table[0]}`
        : "";
  return plural(data.n, "structure") + from;
}
