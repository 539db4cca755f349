// Predictions of one property at a time: parity, errors as a histogram, by element, and the worst structures.
import { el, segmented } from "./dom.js";
import { hint } from "./hint.js";
import { unpack } from "./pack.js";
import { parityPlot } from "./parity.js";
import { extent, short, ticks } from "./ticks.js";

/** The panel, and how it is drawn again where colours change. */
export async function propertyPart(properties, ids, pictures) {
  for (const p of properties)
    for (const s of p.sets)
      for (const key of ["label", "predicted", "structure"]) s[key] = await unpack(s[key].id, s[key].dtype);
  const state = { property: properties[0].name, part: properties[0].sets.some((s) => s.part === "test") ? "test" : "val" };
  let draw = () => {};
  const body = el("div");
  const names = segmented("Property", properties.map((p) => [p.name, p.name.replaceAll("_", " "), p.unit]), state.property, (v) => {
    state.property = v;
    show();
  });
  const parts = segmented("Part", [["val", "val", "validation"], ["test", "test", "test"]], state.part, (v) => {
    state.part = v;
    show();
  });

  function show() {
    names.choose(state.property);
    parts.choose(state.part);
    const p = properties.find((q) => q.name === state.property),
      sets = p.sets
        .filter((s) => s.part === state.part)
        .map((s, n) => ({ ...s, name: s.dataset, colour: `--s${n % 8}` }));
    const canvas = el("canvas", { role: "img", "aria-label": `${p.name}: prediction over label` });
    body.replaceChildren(
      el(
        "div",
        { class: "property" },
        el(
          "div",
          { class: "card pad parity" },
          el("div", { class: "panel-title" }, el("b", {}, p.name.replaceAll("_", " ")), el("small", {}, [p.unit, p.note].filter(Boolean).join(", "))),
          canvas,
          legend(sets, p.unit),
        ),
        el("div", { class: "side" }, histogram(sets, p.unit), elements(sets, p.unit)),
      ),
      worst(sets, p.unit, ids, pictures),
    );
    draw = sets.length ? parityPlot(canvas, sets, p.unit, ids) : () => {};
    draw();
  }
  show();
  return { node: el("div", {}, el("div", { class: "tabs" }, names, parts), body), draw: () => draw() };
}

function legend(sets, unit) {
  return el(
    "div",
    { class: "legend" },
    ...sets.map((s) =>
      el(
        "span",
        {},
        el("span", { class: "dot", style: { background: `var(${s.colour})` } }),
        ` ${s.name}: MAE ${short(s.mae)}, RMSE ${short(s.rmse)} ${unit}, ${s.count.toLocaleString("en")} numbers` +
          (s.count > s.label.length ? ` (${s.label.length.toLocaleString("en")} drawn)` : ""),
      ),
    ),
  );
}

function histogram(sets, unit) {
  const errors = sets.map((s) => Float64Array.from(s.label, (v, i) => s.predicted[i] - v)),
    sizes = errors.flatMap((e) => Array.from(e, Math.abs)).sort((a, b) => a - b),
    reach = sizes[Math.floor(0.99 * (sizes.length - 1))] || 1,
    n = 41,
    counts = errors.map(() => new Float64Array(n));
  errors.forEach((e, k) => {
    for (const v of e) counts[k][Math.max(0, Math.min(n - 1, Math.floor(((v + reach) / (2 * reach)) * n)))]++;
  });
  const heights = Array.from({ length: n }, (_, b) => counts.reduce((sum, c) => sum + c[b], 0)),
    [, top] = extent(heights),
    width = 400,
    height = 150,
    space = "http://www.w3.org/2000/svg",
    image = document.createElementNS(space, "svg");
  image.setAttribute("viewBox", `0 0 ${width} ${height + 20}`);
  image.style.height = "170px";
  const add = (tag, attributes, text) => {
    const node = document.createElementNS(space, tag);
    for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
    if (text) node.textContent = text;
    image.append(node);
    return node;
  };
  for (let b = 0; b < n; b++) {
    let base = height;
    counts.forEach((c, k) => {
      const h = (c[b] / top) * (height - 6);
      if (!h) return;
      base -= h;
      const bar = add("rect", { x: (b * width) / n + 0.8, y: base, width: width / n - 1.6, height: h, rx: 1.5, style: `fill: var(${sets[k].colour})` });
      const from = ((b / n) * 2 - 1) * reach,
        to = (((b + 1) / n) * 2 - 1) * reach;
      bar.addEventListener("pointermove", (event) =>
        hint(event, `${short(from)} to ${short(to)} ${unit}`, [[`var(${sets[k].colour})`, sets[k].name, c[b].toLocaleString("en")]]),
      );
      bar.addEventListener("pointerleave", () => hint(null, null));
    });
  }
  add("line", { class: "rule", x1: 0, x2: width, y1: height, y2: height });
  for (const t of ticks(-reach, reach, 4))
    add("text", { class: "axis", x: ((t + reach) / (2 * reach)) * width, y: height + 15, "text-anchor": "middle" }, short(t));
  return el(
    "div",
    { class: "card pad chart" },
    el("h3", {}, "Errors", el("small", {}, `prediction − label, ${unit}; the outer hundredth is in the outer bars`)),
    image,
  );
}

function elements(sets, unit) {
  const rows = sets.flatMap((s) => s.elements.map(([symbol, mae, count]) => ({ symbol, mae, count, s }))),
    most = Math.max(...rows.map((r) => r.mae), 0) || 1;
  rows.sort((a, b) => b.mae - a.mae);
  return el(
    "div",
    { class: "card pad" },
    el("div", { class: "panel-title" }, el("b", {}, "By element"), el("small", {}, `MAE where it is present, ${unit}`)),
    el(
      "div",
      { class: "bars" },
      ...rows.flatMap((r) => [
        el("b", {}, r.symbol),
        el("i", { style: { width: `${(100 * r.mae) / most}%`, background: `var(${r.s.colour})` }, title: r.s.name }),
        el("span", { class: "n" }, short(r.mae)),
        el("span", { class: "quiet" }, `of ${r.count.toLocaleString("en")}`),
      ]),
    ),
  );
}

function worst(sets, unit, ids, texts) {
  const rows = sets.flatMap((s) => s.worst.map((w) => ({ w, s }))).sort((a, b) => b.w[1] - a.w[1]);
  const card = ({ w: [structure, error, label, predicted, about] }) => {
    const pictures = ["light", "dark"]
      .filter((t) => t in about)
      .map((t) => el("img", { class: t, src: `data:image/svg+xml;utf8,${encodeURIComponent(texts[about[t]])}`, alt: about.formula }));
    const line = (name, value, kind = "") => el("div", { class: kind }, el("span", {}, name), el("span", {}, value));
    return el(
      "div",
      { class: "card" },
      ...pictures,
      el(
        "div",
        { class: "words" },
        el("b", {}, about.formula || ids[structure] || ""),
        el("span", { class: "id", title: ids[structure] }, `${ids[structure] ?? ""} · ${about.dataset}`),
        line("off by", `${short(error)} ${unit}`, "off"),
        line("label", short(label, 5)),
        line("prediction", short(predicted, 5)),
      ),
    );
  };
  return el(
    "div",
    {},
    el("div", { class: "panel-title", style: { "margin-top": "18px" } }, el("b", {}, "Worst structures")),
    el("div", { class: "worst" }, ...rows.slice(0, 12).map(card)),
  );
}
