// The state of the page in its address, so that a link shows the same map.

const PLAIN = ["projection", "colour", "scale", "palette", "mode", "theme"];
const USUAL = { palette: "viridis", mode: "points", size: 1 };

/** State and view → "projection=UMAP&colour=gap&…". */
export function writeHash(state, map, data) {
  const out = new URLSearchParams();
  for (const key of PLAIN)
    if (state[key] !== USUAL[key] && (key !== "theme" || state.themeChosen)) out.set(key, state[key]);
  if (Math.abs(state.size - 1) > 1e-6) out.set("size", state.size.toPrecision(3));
  const hidden = data.dataset.table.filter((_, code) => state.hidden[code]);
  if (hidden.length) out.set("hide", JSON.stringify(hidden));
  if (state.focus >= 0) out.set("id", data.ids[state.focus]);
  if (state.query.trim()) out.set("q", state.query.trim());
  const view = map.views.get(state.projection);
  if (view) out.set("at", [view.x, view.y, view.scale].map((v) => Number(v.toPrecision(6))).join(","));
  return out.toString();
}

/** Address → changes of the state and a view or null; what does not fit the data is left out. */
export function readHash(text, data) {
  const given = new URLSearchParams(text.replace(/^#/, "")),
    changes = {};
  const allowed = {
    projection: data.projections.map((p) => p.name),
    colour: [...data.columns.keys()],
    mode: ["points", "density", "both"],
    theme: ["light", "dark"],
  };
  for (const key of PLAIN) {
    const value = given.get(key);
    if (value !== null && (!allowed[key] || allowed[key].includes(value))) changes[key] = value;
  }
  if (changes.theme) changes.themeChosen = true;
  const size = Number(given.get("size"));
  if (size >= 0.3 && size <= 3) changes.size = size;
  if (given.has("hide")) changes.hidden = hiddenFrom(given.get("hide"), data);
  const focus = given.has("id") ? data.ids.indexOf(given.get("id")) : -1;
  if (focus >= 0) changes.focus = focus;
  if (given.has("q")) changes.query = given.get("q");
  const at = (given.get("at") ?? "").split(",").map(Number);
  return {
    changes,
    view:
      at.length === 3 && at.every(Number.isFinite) && at[2] > 0 ? { x: at[0], y: at[1], scale: at[2] } : null,
  };
}

function hiddenFrom(text, data) {
  let names = [];
  try {
    names = JSON.parse(text);
  } catch {
    names = [];
  }
  return Uint8Array.from(data.dataset.table, (name) =>
    Array.isArray(names) && names.includes(name) ? 1 : 0,
  );
}
