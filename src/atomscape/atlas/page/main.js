// Start: read the data, make the parts, tie them to the state.
import { makeAbout } from "./about.js";
import { css } from "./colour.js";
import { makeColourCard } from "./colour-card.js";
import { makeColouring } from "./colouring.js";
import { makeActions, makeDatasets, makeFigures, makeToolbar, subtitle } from "./controls.js";
import { openData } from "./data.js";
import { save } from "./export.js";
import { readHash, writeHash } from "./hash.js";
import { makeHoverCard } from "./hover-card.js";
import { listenToKeys } from "./keys.js";
import { PointMap } from "./map.js";
import { drawPicture } from "./picture.js";
import { makeSearchBox } from "./search-box.js";
import { makeSelectionCard } from "./selection-card.js";
import { makeState } from "./state.js";
import { makeScenes, makeStructureCard, valueText } from "./structure-card.js";
import { readTheme, systemTheme } from "./theme.js";

const $ = (id) => document.getElementById(id);

/** The state to begin with. */
function firstState(data, colour) {
  return makeState({
    projection: data.projections[0].name,
    colour,
    scale: "linear",
    palette: "viridis",
    mode: "points",
    size: 1,
    tool: "pan",
    theme: systemTheme(),
    themeChosen: false,
    hidden: new Uint8Array(data.dataset.table.length),
    selection: null,
    hits: null,
    hover: -1,
    cursor: null,
    focus: -1,
    query: "",
    loaded: false,
  });
}

function makeThemes(state) {
  let theme = null;
  const apply = () => {
    document.documentElement.dataset.theme = state.theme;
    theme = readTheme();
  };
  apply();
  state.on(["theme"], (_, changed) => {
    state.themeChosen ||= changed.includes("theme");
    apply();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (!state.themeChosen) {
      state.set({ theme: systemTheme() });
      state.themeChosen = false;
    }
  });
  return () => theme;
}

function makeColours(data, state, theme) {
  const maker = makeColouring(data);
  const colouring = () => maker.of(state.colour, state.scale, state.palette, theme());
  return Object.assign(colouring, { scalesOf: maker.scalesOf, usual: maker.usual });
}

function keepHash(state, map, data) {
  let timer = 0;
  const write = () => {
    clearTimeout(timer);
    timer = setTimeout(() => history.replaceState(null, "", `#${writeHash(state, map, data)}`), 250);
  };
  state.on(
    ["projection", "colour", "scale", "palette", "mode", "size", "theme", "hidden", "focus", "query"],
    write,
  );
  return write;
}

/** Somebody typed another address: begin anew from it. */
function followHash() {
  window.addEventListener("hashchange", () => location.reload());
}

/** Say aloud what is in focus. */
function speak(data, state, colouring) {
  state.on(["focus"], () => {
    const i = state.focus,
      { column } = colouring();
    $("spoken").textContent =
      i < 0 ? "" : `${data.formula(i)}, ${data.ids[i]}, ${column.name} ${valueText(column, i)}`;
  });
}

async function start() {
  const manifest = JSON.parse($("manifest").textContent);
  const data = await openData(manifest),
    state = firstState(data, manifest.colour);
  const asked = readHash(location.hash, data);
  Object.assign(state, asked.changes);
  const theme = makeThemes(state),
    colouring = makeColours(data, state, theme);
  const scales = colouring.scalesOf(colouring().column).map(([kind]) => kind);
  if (!asked.changes.scale || !scales.includes(state.scale))
    state.scale = colouring.usual(colouring().column);
  const scenes = makeScenes(data),
    parts = { data, state, theme, colouring, scenes };
  let writeLater = () => {};
  const map = new PointMap($("plot"), { ...parts, onView: () => writeLater() });
  if (asked.view) map.views.set(state.projection, asked.view);
  writeLater = keepHash(state, map, data);
  map.overlay.setAttribute(
    "aria-label",
    `Map of ${subtitle(data)}. Arrow keys move it, plus and minus zoom, slash searches.`,
  );
  map.overlay.setAttribute("role", "application");
  assemble({ ...parts, map, css }, asked);
  $("loading").remove();
  map.resize();
  await data.structures.load();
  state.set({ loaded: true });
}

function assemble(parts, asked) {
  const { data, state, map, theme, colouring } = parts;
  const onFocus = (i) => {
    state.set({ focus: i });
    map.reveal(i);
  };
  const onLocate = () => {
    if (state.focus >= 0) map.reveal(state.focus);
  };
  $("subtitle").textContent = subtitle(data);
  makeToolbar($("toolbar"), parts);
  makeDatasets($("datasets"), parts);
  makeFigures($("figures"), parts);
  const colourCard = makeColourCard($("colour-card"), parts);
  const { viewer } = makeStructureCard($("structure-card"), { ...parts, onLocate });
  const selection = makeSelectionCard($("selection-card"), { ...parts, onLocate: onFocus });
  makeHoverCard($("hover-card"), parts);
  const searchBox = makeSearchBox($("search"), { ...parts, onFocus, onZoom: (rows) => map.zoomTo(rows) });
  const openAbout = makeAbout($("about"), data);
  const onPicture = () =>
    drawPicture(map, colouring(), colourCard.bars(), data.title, theme()).toBlob((blob) =>
      save(blob, "map.png"),
    );
  makeActions($("actions"), { state, onPicture, onAbout: openAbout });
  listenToKeys({ data, state, map, searchBox, openAbout, onFocus });
  speak(data, state, colouring);
  followHash();
  if (asked.changes.query) searchBox.run(asked.changes.query);
  window.atomscape = { modules, data, state, map, viewer, colouring, selection, scenes: parts.scenes };
}

start().catch((error) => {
  $("loading")?.classList.add("failure");
  ($("loading") ?? $("spoken")).textContent = `This map could not be read: ${error.message}`;
  throw error;
});
