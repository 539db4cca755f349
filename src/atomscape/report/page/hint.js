// The small card beside the pointer.
import { el } from "./dom.js";

/** Show rows of [colour, name, value] under a heading beside the pointer; null hides the card. */
export function hint(event, heading, rows) {
  const card = document.getElementById("hint");
  card.hidden = heading === null;
  if (heading === null) return;
  card.replaceChildren(
    el("b", {}, heading),
    ...rows.map(([colour, name, value]) =>
      el(
        "div",
        {},
        ...(colour ? [el("span", { class: "dot", style: { background: colour } })] : []),
        el("span", {}, name),
        el("span", {}, value),
      ),
    ),
  );
  const box = card.getBoundingClientRect(),
    left = event.clientX + 16 + box.width > window.innerWidth ? event.clientX - 14 - box.width : event.clientX + 16;
  const top = Math.min(event.clientY + 14, window.innerHeight - box.height - 8);
  card.style.transform = `translate(${Math.max(4, left)}px, ${top}px)`;
}
