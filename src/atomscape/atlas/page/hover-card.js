// The small card beside the cursor: picture, formula, id and the value that colours the point.
import { css } from "./colour.js";
import { el, shorten } from "./dom.js";
import { formulaNode } from "./formula.js";
import { thumbnail } from "./selection-card.js";
import { valueText } from "./structure-card.js";

const THUMB = 84;

/** Fill the card on hover, and put it beside the point so that it stays inside the plot. */
export function makeHoverCard(card, { data, state, theme, scenes, colouring, map }) {
  const canvas = el("canvas", { "aria-hidden": "true" }),
    text = el("div", { class: "hover-text" });
  card.append(canvas, text);
  state.on(["hover", "theme", "loaded"], () => {
    const i = state.hover;
    card.hidden = i < 0;
    if (i < 0) return;
    const scene = scenes(i),
      now = colouring(),
      number = now.numbers[i];
    canvas.hidden = !scene;
    if (scene) thumbnail(canvas, scene, data, theme(), THUMB);
    const dot = el("span", { class: "dot", style: { background: css(now.table[number]) } });
    text.replaceChildren(
      el("b", {}, formulaNode(data.formula(i))),
      el("span", { class: "hover-id" }, shorten(data.ids[i], 28)),
      el(
        "span",
        { class: "hover-value" },
        dot,
        now.column === data.dataset ? data.datasetOf(i) : valueText(now.column, i),
      ),
    );
    put(card, map, i);
  });
}

function put(card, map, i) {
  const [x, y] = map.place(i),
    left = map.overlay.offsetLeft + x,
    top = map.overlay.offsetTop + y,
    gap = 16;
  const { offsetWidth: w, offsetHeight: h } = card,
    room = card.parentElement;
  const toLeft = left + gap + w > room.clientWidth - 8,
    above = top + gap + h > room.clientHeight - 8;
  card.style.left = `${Math.max(4, toLeft ? left - gap - w : left + gap)}px`;
  card.style.top = `${Math.max(4, above ? top - gap - h : top + gap)}px`;
}
