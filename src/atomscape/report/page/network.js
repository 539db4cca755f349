// What the last look at the network found: how features spread over degrees, how strong the paths are.
import { el } from "./dom.js";
import { short } from "./ticks.js";

/** Notes, and two tables whose cells are coloured by what stands in them. */
export function networkPart(network) {
  return el(
    "div",
    {},
    ...(network.notes.length ? [el("ul", { class: "notes" }, ...network.notes.map((n) => el("li", {}, n)))] : []),
    el("div", { class: "grid" }, features(network.features), ...(network.paths.length ? [paths(network.paths)] : [])),
  );
}

function heat(title, note, rows, columns, value, words) {
  const cells = rows.flatMap((r) => [
    el("span", {}, r),
    ...columns.map((c) => {
      const v = value(r, c);
      if (v === null) return el("span", { class: "cell" }, "");
      const share = Math.round(8 + 62 * Math.max(0, Math.min(1, v)));
      return el(
        "span",
        { class: "cell", title: words(r, c).title, style: { background: `color-mix(in srgb, var(--accent) ${share}%, var(--ground))` } },
        words(r, c).text,
      );
    }),
  ]);
  return el(
    "div",
    { class: "card pad" },
    el("div", { class: "panel-title" }, el("b", {}, title), el("small", {}, note)),
    el(
      "div",
      { class: "heat", style: { "grid-template-columns": `auto repeat(${columns.length}, minmax(0, 1fr))` } },
      el("span", {}, ""),
      ...columns.map((c) => el("span", { style: { "text-align": "center" } }, c)),
      ...cells,
    ),
  );
}

function features(spreads) {
  const degree = (s) => `l = ${s.degree}${spreads.some((o) => o.degree === s.degree && o.parity !== s.parity) ? (s.parity > 0 ? "e" : "o") : ""}`,
    rows = [...new Set(spreads.map((s) => s.layer))],
    columns = [...new Set(spreads.map(degree))],
    of = (r, c) => spreads.find((s) => s.layer === r && degree(s) === c);
  return heat(
    "Directions that the channels fill",
    "the participation ratio of their Gram matrix",
    rows,
    columns,
    (r, c) => (of(r, c) ? of(r, c).directions / of(r, c).channels : null),
    (r, c) => ({
      text: `${short(of(r, c).directions)} of ${of(r, c).channels}`,
      title: `mean square ${short(of(r, c).mean_square)}, ${Math.round(100 * of(r, c).dead)} % dead channels`,
    }),
  );
}

function paths(states) {
  const rows = [...new Set(states.map((s) => s.path))],
    columns = [...new Set(states.map((s) => `layer ${s.layer}`))],
    of = (r, c) => states.find((s) => s.path === r && `layer ${s.layer}` === c);
  return heat(
    "Strength of the paths",
    "of radial weights, relative to the strongest of the layer",
    rows,
    columns,
    (r, c) => (of(r, c) ? of(r, c).strength : null),
    (r, c) => ({ text: short(of(r, c).strength, 2), title: `gradient ${short(of(r, c).gradient)}` }),
  );
}
