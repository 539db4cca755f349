// Elements of the page. Text is always set as text, never parsed as HTML.

/** Make an element: attributes, `on` for listeners, `style` for custom properties, then children. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "style") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const ICONS = {
  hand: "M8 13V5.5a1.5 1.5 0 0 1 3 0V11m0-6.5a1.5 1.5 0 0 1 3 0V11m0-5a1.5 1.5 0 0 1 3 0v6m0-4a1.5 1.5 0 0 1 3 0V15a7 7 0 0 1-7 7h-1a7 7 0 0 1-5.6-2.8L3.6 15a1.6 1.6 0 0 1 2.4-2.1L8 15",
  lasso: "M7 15.5C4.6 14.5 3 12.5 3 10.3 3 6.3 7 3 12 3s9 3.3 9 7.3-4 7.2-9 7.2c-1 0-2-.1-2.9-.4M7 19a2.2 2.2 0 1 0 0-4.4A2.2 2.2 0 0 0 7 19Zm0 0c.2 1.2-.3 2.4-1.5 3",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z",
  sun: "M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM12 2v2m0 16v2M2 12h2m16 0h2M4.9 4.9l1.4 1.4m11.4 11.4 1.4 1.4M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-10v6m0-9.5v.1",
  image: "M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1Zm-1 13 5-5 4 4 3-3 4 4M15.5 9.5v.1",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Zm5-1.5L20 20",
  close: "M6 6l12 12M18 6 6 18",
  spin: "M20 12a8 8 0 1 1-2.3-5.7M20 3v4.5h-4.5",
  pin: "M12 21s6.5-5.7 6.5-11a6.5 6.5 0 0 0-13 0c0 5.3 6.5 11 6.5 11Zm0-8.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  molecule: "M12 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM6 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm12 0a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM10.8 9.2 7.2 14.8m6-5.6 3.6 5.6M8.5 17h7",
};

/** A line icon, hidden from screen readers; its button carries the label. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
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
  return el("button", { type: "button", class: "icon-button", title: label, "aria-label": label, ...attributes,
    on: { click: listener } }, icon(name));
}

/** A row of buttons of which one is chosen. Returns the element with `choose(value)`. */
export function segmented(label, options, chosen, listener) {
  const group = el("div", { class: "segmented", role: "radiogroup", "aria-label": label });
  const buttons = options.map(([value, text, title]) => el("button", { type: "button", role: "radio", title,
    "data-value": value, on: { click: () => listener(value) } }, text));
  group.append(...buttons);
  group.choose = (value) => buttons.forEach((b) => {
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
