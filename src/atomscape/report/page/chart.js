// Lines over epochs: hover reads values, dragging enlarges a span, a double click shows all again.
import { el } from "./dom.js";
import { hint } from "./hint.js";
import { extent, logTicks, short, ticks } from "./ticks.js";

const EDGE = { left: 52, right: 12, top: 8, bottom: 24 },
  WIDTH = 420,
  HEIGHT = 210;

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Colour of the n-th series. */
export const colourOf = (n) => `var(--s${n % 8})`;

/** A card with a chart: {title, unit, log, series: [{name, x, y}]}. */
export function lineChart(chart) {
  const state = { log: chart.log && chart.series.every((s) => s.y.every((v) => v > 0)), span: null, hidden: new Set() };
  const canLog = state.log,
    image = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  const toggle = el("button", { type: "button", class: "tiny", on: { click: () => ((state.log = !state.log), draw()) } }, "log");
  const legend = el("div", { class: "legend" });
  const card = el(
    "div",
    { class: "card pad chart" },
    el("h3", {}, chart.title, el("small", {}, chart.unit), ...(canLog ? [toggle] : [])),
    image,
    ...(chart.series.length > 1 ? [legend] : []),
  );
  let scale = null;

  function shown() {
    return chart.series.map((s, n) => ({ ...s, n })).filter((s) => !state.hidden.has(s.n));
  }

  function draw() {
    const width = image.clientWidth || WIDTH,
      inner = { w: width - EDGE.left - EDGE.right, h: HEIGHT - EDGE.top - EDGE.bottom };
    image.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    toggle.setAttribute("aria-pressed", String(state.log));
    const all = shown();
    let [x0, x1] = state.span ?? extent(chart.series.flatMap((s) => s.x));
    if (x0 === x1) [x0, x1] = [x0 - 0.5, x1 + 0.5];
    const inside = all.flatMap((s) => s.y.filter((_, i) => s.x[i] >= x0 && s.x[i] <= x1));
    let [y0, y1] = inside.length ? extent(inside) : [0, 1];
    if (state.log) [y0, y1] = [y0 / 1.12, y1 * 1.12];
    else {
      const room = (y1 - y0 || Math.abs(y1) || 1) * 0.07;
      [y0, y1] = [y0 >= 0 && y0 < 0.3 * y1 ? 0 : y0 - room, y1 + room];
    }
    const f = state.log ? Math.log : (v) => v;
    const px = (v) => EDGE.left + ((v - x0) / (x1 - x0)) * inner.w,
      py = (v) => EDGE.top + inner.h * (1 - (f(v) - f(y0)) / (f(y1) - f(y0)));
    scale = { x0, x1, px, py, inner, all };
    const parts = [];
    for (const t of state.log ? logTicks(y0, y1) : ticks(y0, y1, 4)) {
      parts.push(svg("line", { class: "rule", x1: EDGE.left, x2: width - EDGE.right, y1: py(t), y2: py(t) }));
      parts.push(svg("text", { class: "axis", x: EDGE.left - 7, y: py(t) + 3.5, "text-anchor": "end" }, short(t)));
    }
    for (const t of ticks(x0, x1, 6).filter((t) => Number.isInteger(t) || state.span))
      parts.push(svg("text", { class: "axis", x: px(t), y: HEIGHT - 7, "text-anchor": "middle" }, short(t)));
    for (const s of all) {
      const points = s.x.map((x, i) => [x, s.y[i]]).filter(([x]) => x >= x0 - (x1 - x0) && x <= x1 + (x1 - x0));
      const path = points.map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("");
      parts.push(svg("path", { class: "line", d: path, style: `stroke: ${colourOf(s.n)}`, "clip-path": "inset(0)" }));
      if (points.length === 1)
        parts.push(svg("circle", { cx: px(points[0][0]), cy: py(points[0][1]), r: 3, style: `fill: ${colourOf(s.n)}` }));
    }
    image.replaceChildren(...parts);
    legend.replaceChildren(
      ...chart.series.map((s, n) =>
        el(
          "button",
          {
            type: "button",
            "aria-pressed": String(!state.hidden.has(n)),
            on: { click: () => (state.hidden.has(n) ? state.hidden.delete(n) : state.hidden.add(n), draw()) },
          },
          el("span", { class: "dot", style: { background: colourOf(n) } }),
          s.name,
        ),
      ),
    );
  }

  const at = (event) => event.clientX - image.getBoundingClientRect().left,
    value = (x) => scale.x0 + ((x - EDGE.left) / scale.inner.w) * (scale.x1 - scale.x0);
  const cursor = svg("line", { class: "cursor", y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
    brush = svg("rect", { class: "brush", y: EDGE.top, height: HEIGHT - EDGE.top - EDGE.bottom });
  let from = null;
  image.addEventListener("pointermove", (event) => {
    if (from !== null) {
      brush.setAttribute("x", Math.min(from, at(event)));
      brush.setAttribute("width", Math.abs(at(event) - from));
      image.append(brush);
    }
    const x = value(at(event)),
      rows = [];
    let place = null;
    for (const s of scale.all) {
      let best = 0;
      for (let i = 1; i < s.x.length; i++) if (Math.abs(s.x[i] - x) < Math.abs(s.x[best] - x)) best = i;
      if (s.x.length) rows.push([colourOf(s.n), s.name, short(s.y[best], 4)]);
      place ??= s.x[best];
    }
    if (place === null) return;
    cursor.setAttribute("x1", scale.px(place));
    cursor.setAttribute("x2", scale.px(place));
    image.append(cursor);
    hint(event, `epoch ${short(place, 4)}`, rows);
  });
  image.addEventListener("pointerdown", (event) => ((from = at(event)), image.setPointerCapture(event.pointerId)));
  image.addEventListener("pointerup", (event) => {
    const to = at(event);
    if (from !== null && Math.abs(to - from) > 8) {
      state.span = [value(Math.min(from, to)), value(Math.max(from, to))];
      draw();
    }
    from = null;
    brush.remove();
  });
  image.addEventListener("pointerleave", () => (cursor.remove(), hint(null, null)));
  image.addEventListener("dblclick", () => ((state.span = null), draw()));
  new ResizeObserver(draw).observe(image);
  return card;
}
