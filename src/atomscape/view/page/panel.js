// The card that says what is shown: title, layers to choose from, layers to show or hide, how clear glass is.
import { el } from "./dom.js";

/** Fill the card. `state` has shown (Set of names) and clear; `change(what)` hears of the reader's choices. */
export function makePanel(card, manifest, state, change) {
  const entries = new Map();
  const entry = (layer, listener, ranked) => {
    const made = el(
      "button",
      {
        type: "button",
        class: `entry${ranked ? " ranked" : ""}`,
        role: ranked ? "radio" : "checkbox",
        title: layer.name,
        on: { click: listener },
      },
      el("span", { class: "mark" }),
      el("span", { class: "name" }, layer.name),
      ...(layer.note ? [el("span", { class: "words" }, layer.note)] : []),
    );
    entries.set(layer.name, made);
    return made;
  };
  const parts = [el("h1", {}, manifest.title || "Structure")];
  if (manifest.note) parts.push(el("p", { class: "note" }, manifest.note));
  for (const [group, layers] of grouped(manifest.layers)) {
    if (group === "" && manifest.layers.length === 1) continue;
    parts.push(el("h2", {}, group || "Shown"));
    const list = el("div", { role: group ? "radiogroup" : "group", "aria-label": group || "Shown" });
    list.append(...layers.map((l) => entry(l, () => change(group ? { choose: l } : { toggle: l }), Boolean(group))));
    parts.push(list);
  }
  if (manifest.layers.some((l) => l.meshes.some((m) => m.opacity < 1))) {
    const input = el("input", { type: "range", min: 0.2, max: 2.5, step: 0.05, value: state.clear });
    input.addEventListener("input", () => change({ clear: Number(input.value) }));
    parts.push(el("label", { class: "slider" }, "Opacity", input));
  }
  card.replaceChildren(...parts);
  return () =>
    entries.forEach((node, name) => node.setAttribute("aria-checked", String(state.shown.has(name))));
}

// Groups in the order of their first layer; what is free to show or hide comes last.
function grouped(layers) {
  const groups = new Map();
  for (const layer of layers) {
    if (!groups.has(layer.group)) groups.set(layer.group, []);
    groups.get(layer.group).push(layer);
  }
  return [...groups].sort(([a], [b]) => (a === "") - (b === ""));
}
