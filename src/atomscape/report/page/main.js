// The report: sections in the order of the manifest, each made once and drawn when it is seen.
import { lineChart } from "./chart.js";
import { el, iconButton } from "./dom.js";
import { networkPart } from "./network.js";
import { unpack } from "./pack.js";
import { propertyPart } from "./property.js";
import { scoreCards } from "./scores.js";
import { systemTheme } from "./theme.js";

const manifest = JSON.parse(document.getElementById("manifest").textContent),
  root = document.documentElement,
  redraw = [];

function setTheme(theme) {
  root.dataset.theme = theme;
  redraw.forEach((draw) => draw());
}

function section(id, title, note, ...children) {
  return el("section", { id }, el("h2", {}, title, ...(note ? [el("small", {}, note)] : [])), ...children);
}

function table(t) {
  const numeric = t.columns.map((_, k) => t.rows.every((r) => /^[-−\d.,e]+$/.test(r[k]) || r[k] === "–"));
  const kind = (k) => (numeric[k] && t.rows.length ? { class: "n" } : {});
  return el(
    "div",
    { class: "card pad" },
    el("h3", { class: "panel-title" }, t.title),
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...t.columns.map((c, k) => el("th", kind(k), c)))),
        el("tbody", {}, ...t.rows.map((r) => el("tr", {}, ...r.map((c, k) => el("td", kind(k), c))))),
      ),
    ),
  );
}

async function main() {
  const ids = manifest.ids ? await unpack(manifest.ids.id, manifest.ids.dtype) : [];
  const pictures = await unpack(manifest.pictures.id, manifest.pictures.dtype),
    parts = [];
  if (manifest.scores.length)
    parts.push(["errors", "Errors", section("errors", "Errors on test", "beside the two baselines", scoreCards(manifest.scores))]);
  const curves = manifest.curves.filter((c) => c.series.length);
  if (curves.length)
    parts.push([
      "curves",
      "Curves",
      section("curves", "Curves", "drag to enlarge, double click for all", el("div", { class: "grid" }, ...curves.map(lineChart))),
    ]);
  if (manifest.properties.length) {
    const { node, draw } = await propertyPart(manifest.properties, ids, pictures);
    redraw.push(draw);
    parts.push(["predictions", "Predictions", section("predictions", "Predictions", "wheel and drag look closer", node)]);
  }
  if (manifest.network)
    parts.push([
      "network",
      "Network",
      section("network", "Inside the network", `seen last in epoch ${manifest.network.epoch}, step ${manifest.network.step}`, networkPart(manifest.network)),
    ]);
  if (manifest.tables.length)
    parts.push(["data", "Data", section("data", "Data and fits", "", el("div", { style: { display: "grid" }, class: "grid wide" }, ...manifest.tables.map(table)))]);
  parts.push(["config", "Config", section("config", "Config", "", el("div", { class: "card pad" }, el("pre", {}, manifest.config)))]);

  document.getElementById("head").append(
    el("h1", {}, manifest.name),
    el("span", { class: "chip" }, manifest.ended ? "ended" : "under way"),
    el("nav", {}, ...parts.map(([id, name]) => el("a", { href: `#${id}` }, name))),
    iconButton("moon", "Light or dark", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark")),
  );
  document.getElementById("report").append(
    el("div", { class: "facts" }, ...manifest.facts.map(([name, value]) => el("span", {}, name, el("b", {}, value)))),
    ...parts.map(([, , node]) => node),
  );
  const asked = new URLSearchParams(location.hash.slice(1)).get("theme");
  setTheme(asked ?? systemTheme());
}

main();
