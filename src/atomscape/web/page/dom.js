// Elements of the page. Text is always set as text, never parsed as HTML.
import { ICONS } from "./icons.js";

/** Make an element: attributes, `on` for listeners, `style` for custom properties, then children. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on")
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "style") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** A line icon, hidden from screen readers; its button carries the label. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg",
    svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button with an icon and a label that is read aloud and shown on hover. */
export function iconButton(name, label, listener, attributes = {}) {
  return el(
    "button",
    {
      type: "button",
      class: "icon-button",
      title: label,
      "aria-label": label,
      ...attributes,
      on: { click: listener },
    },
    icon(name),
  );
}

/** A row of buttons of which one is chosen. Returns the element with `choose(value)`. */
export function segmented(label, options, chosen, listener) {
  const group = el("div", { class: "segmented", role: "radiogroup", "aria-label": label });
  const buttons = options.map(([value, text, title]) =>
    el(
      "button",
      { type: "button", role: "radio", title, "data-value": value, on: { click: () => listener(value) } },
      text,
    ),
  );
  group.append(...buttons);
  group.choose = (value) =>
    buttons.forEach((b) => {
      b.setAttribute("aria-checked", String(b.dataset.value === value));
      b.tabIndex = b.dataset.value === value ? 0 : -1;
    });
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const next = buttons[(buttons.indexOf(event.target) + step + buttons.length) % buttons.length];
    next.focus();
    listener(next.dataset.value);
  });
  group.choose(chosen);
  return group;
}

/** A long name with its middle left out: the ends of ids and paths tell most. */
export function shorten(text, most) {
  if (text.length <= most) return text;
  const head = Math.floor((most - 1) * 0.4);
  return `${text.slice(0, head)}…${text.slice(text.length - (most - 1 - head))}`;
}

/** Size a canvas in CSS pixels for sharp drawing; returns its 2D context, scaled to CSS pixels. */
export function sharpContext(canvas, width, height, ratio = window.devicePixelRatio || 1) {
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
