// Colours of the page as numbers, for what is drawn on canvases. The stylesheet is where they are chosen.
import { fromHex } from "./hex.js";

const NAMES = ["ground", "ink", "muted", "grid", "cell", "accent", "unknown", "outline"];

/** Read the colours in force: {ground: [r, g, b], …, dark}. */
export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const colours = NAMES.map((name) => [name, fromHex(style.getPropertyValue(`--${name}`).trim())]);
  return {
    ...Object.fromEntries(colours),
    dark: document.documentElement.dataset.theme === "dark",
    font: style.getPropertyValue("--font").trim(),
  };
}

/** "dark" or "light" as the reader's system has it. */
export function systemTheme() {
  return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
