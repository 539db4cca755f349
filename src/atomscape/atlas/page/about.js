// The dialog that says where the map comes from, how to use it, and whose work is inside.
import { el, iconButton } from "./dom.js";
import { plural } from "./number.js";

const KEYS = [
  ["/", "search"],
  ["L · V", "lasso · move"],
  ["shift · alt", "with the lasso: add · take away"],
  ["+ · − · 0", "closer · farther · all points"],
  ["← ↑ ↓ →", "move the map; with a structure kept: go to the next one there"],
  ["D", "points, density, both"],
  ["P", "next projection"],
  ["T", "dark or light"],
  ["Esc", "let go, step by step"],
];

function drawnText({ count, of }) {
  if (!count) return "3D structures are not in this file. All points are on the map.";
  if (count === of) return "All structures can be seen in 3D.";
  const share = `${plural(count, "structure")} of ${of.toLocaleString("en-US")}`;
  return `3D structures: ${share} are in this file, evenly chosen, to keep it small. All points are on it.`;
}

/** Fill the dialog; returns a function that opens it. */
export function makeAbout(dialog, data) {
  const pairs = (list) =>
    el("dl", { class: "pairs" }, ...list.flatMap(([a, b]) => [el("dt", {}, a), el("dd", {}, b)]));
  const licences = el(
    "details",
    {},
    el("summary", {}, "Licences of what is inside"),
    el("pre", {}, document.getElementById("licences").textContent),
  );
  dialog.append(
    el(
      "div",
      { class: "dialog-head" },
      el("h2", {}, data.title),
      iconButton("close", "Close", () => dialog.close()),
    ),
    el("p", { class: "id" }, `${plural(data.n, "structure")}. ${drawnText(data.structures)}`),
    ...(data.notes.length ? [el("h3", {}, "Figures"), pairs(data.notes)] : []),
    ...(data.provenance
      ? [el("h3", {}, "Provenance"), el("p", { class: "provenance" }, data.provenance)]
      : []),
    el("h3", {}, "Reading the map"),
    el(
      "p",
      {},
      "Neighbours on the map are alike to the encoder. Distances between far groups, and the sizes of " +
        "groups, mean little in a nonlinear projection such as UMAP.",
    ),
    el("h3", {}, "Keys"),
    pairs(KEYS.map(([k, v]) => [k, v])),
    licences,
    el("p", { class: "made" }, "Made by atomscape. This file needs no network."),
  );
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return () => dialog.showModal();
}
