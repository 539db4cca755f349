// The keyboard, and the list of its keys.
import { el, iconButton } from "./dom.js";

const TURN = 18; // pixels of the pointer that one press of an arrow stands for

/** [keys as shown, what they do, test, action] of everything the keyboard can. */
export function keysOf(act) {
  const shift = (event) => (event.shiftKey ? "pan" : "turn");
  return [
    ["← → ↑ ↓", "Turn; with Shift, move", null, null],
    [null, null, "ArrowLeft", (e) => act[shift(e)](-TURN, 0)],
    [null, null, "ArrowRight", (e) => act[shift(e)](TURN, 0)],
    [null, null, "ArrowUp", (e) => act[shift(e)](0, -TURN)],
    [null, null, "ArrowDown", (e) => act[shift(e)](0, TURN)],
    ["+ −", "Closer, farther", "+", () => act.zoom(1.15)],
    [null, null, "=", () => act.zoom(1.15)],
    [null, null, "-", () => act.zoom(1 / 1.15)],
    ["R", "Back to the first view", "r", act.reset],
    ["Space", "Spin", " ", act.spin],
    ["O", "Perspective or parallel", "o", act.flat],
    ["L", "Labels", "l", act.labels],
    ["N P", "Next and previous of a ranking", "n", () => act.step(1)],
    [null, null, "p", () => act.step(-1)],
    ["T", "Light or dark", "t", act.theme],
    ["S", "Save a picture", "s", act.save],
    ["?", "These keys", "?", act.help],
  ];
}

/** Listen everywhere on the page. */
export function listenToKeys(keys) {
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, dialog")) return;
    if (event.key === " " && event.target.closest?.("button")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const found = keys.find(([, , name]) => name === key);
    if (!found) return;
    event.preventDefault();
    found[3](event);
  });
}

/** The dialog with the list. */
export function makeHelp(dialog, keys) {
  const rows = keys
    .filter(([shown]) => shown)
    .flatMap(([shown, what]) => [
      el("dt", {}, ...shown.split(" ").flatMap((k) => [el("kbd", {}, k), " "])),
      el("dd", {}, what),
    ]);
  const close = iconButton("close", "Close", () => dialog.close());
  const mouse = "Drag to turn, drag with Shift or the right button to move, wheel or pinch to zoom, double click on an atom to turn about it.";
  dialog.append(
    el("div", { class: "dialog-head" }, el("h2", {}, "Look around"), close),
    el("p", { class: "id" }, mouse),
    el("dl", { class: "pairs" }, ...rows),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return () => dialog.showModal();
}
