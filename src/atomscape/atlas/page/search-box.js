// The search field and the list of what it found.
import { el, icon, shorten } from "./dom.js";
import { formulaNode } from "./formula.js";
import { maskOf } from "./lasso.js";
import { count, plural } from "./number.js";
import { makeIndex, search } from "./search.js";

const LISTED = 60;
const EXAMPLES = [
  ["SiO2", "this formula and its multiples"],
  ["Li Fe O", "all of these elements"],
  ["Li-Fe-O", "these elements only"],
  ["has:Na !O n<20", "with Na, without O, under 20 atoms"],
];

/** Fill the box. `onFocus(i)` shows a structure, `onZoom(rows)` several. Returns {focus(), run(query)}. */
export function makeSearchBox(box, { data, state, onFocus, onZoom }) {
  const parts = build(box),
    found = { rows: new Int32Array(0), at: -1 };
  let index = null,
    timer = 0;
  const run = (query) => {
    state.set({ query });
    if (parts.input.value !== query) parts.input.value = query;
    index ??= makeIndex(data);
    const { rows, message } = search(query, data, index);
    Object.assign(found, { rows, message, at: -1 });
    state.set({ hits: query.trim() && rows.length ? maskOf(rows, data.n) : null });
    list(parts, found, data, { onFocus: focusOn, choose, onZoom });
  };
  const close = () => {
    parts.panel.hidden = true;
    parts.input.setAttribute("aria-expanded", "false");
    state.set({ hits: null });
  };
  const choose = () => {
    if (!found.rows.length) return;
    const mask = maskOf(found.rows, data.n);
    close();
    state.set({ selection: mask, hits: null });
    if (found.rows.length === 1) onFocus(found.rows[0]);
  };
  const focusOn = (i) => {
    close();
    onFocus(i);
  };
  parts.input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => run(parts.input.value), data.n > 2e5 ? 180 : 60);
  });
  parts.input.addEventListener("focus", () => run(parts.input.value));
  parts.input.addEventListener("keydown", (event) =>
    onKey(event, parts, found, { run, close, choose, focusOn }),
  );
  box.addEventListener("focusout", (event) => {
    if (!box.contains(event.relatedTarget)) close();
  });
  return {
    focus: () => {
      parts.input.focus();
      parts.input.select();
    },
    run,
  };
}

function build(box) {
  const input = el("input", {
    type: "search",
    placeholder: "Search formula, elements, id, property…",
    "aria-label": "Search structures",
    autocomplete: "off",
    spellcheck: "false",
    role: "combobox",
    "aria-expanded": "false",
    "aria-controls": "found",
  });
  const panel = el("div", { class: "found", id: "found", hidden: true, tabindex: "-1" });
  box.append(icon("search"), input, el("kbd", {}, "/"), panel);
  return { input, panel };
}

function list({ panel, input }, found, data, act) {
  panel.hidden = false;
  input.setAttribute("aria-expanded", "true");
  if (!input.value.trim()) {
    panel.replaceChildren(
      el("p", { class: "found-head" }, "For example"),
      ...EXAMPLES.map(([query, text]) =>
        el(
          "button",
          {
            type: "button",
            class: "example",
            on: {
              click: () => {
                input.value = query;
                input.dispatchEvent(new Event("input"));
                input.focus();
              },
            },
          },
          el("code", {}, query),
          el("span", {}, text),
        ),
      ),
    );
    return;
  }
  const { rows, message } = found,
    n = rows.length;
  if (!n) {
    panel.replaceChildren(el("p", { class: "found-none" }, message || "Nothing found."));
    return;
  }
  const button = (text, listener) =>
    el("button", { type: "button", class: "text-button", on: { click: listener } }, text);
  const head = el(
    "div",
    { class: "found-head" },
    el("span", {}, plural(n, "structure")),
    button("Show on the map", () => act.onZoom(rows)),
    button("Select all ↵", act.choose),
  );
  const items = Array.from(rows.subarray(0, LISTED), (i) =>
    el(
      "button",
      { type: "button", class: "hit", on: { click: () => act.onFocus(i) } },
      el("b", {}, formulaNode(data.formula(i))),
      el("span", { title: data.ids[i] }, shorten(data.ids[i], 36)),
      el("span", { class: "hit-set" }, data.datasetOf(i)),
    ),
  );
  const more = n > LISTED ? [el("p", { class: "found-more" }, `and ${count(n - LISTED)} more`)] : [];
  panel.replaceChildren(head, ...items, ...more);
}

function onKey(event, { input, panel }, found, { run, close, choose, focusOn }) {
  const items = [...panel.querySelectorAll(".hit")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  event.stopPropagation();
  if (event.key === "Escape") {
    if (input.value) {
      input.value = "";
      run("");
    } else {
      close();
      input.blur();
    }
  } else if (event.key === "Enter") {
    if (found.at < 0) run(input.value);
    if (found.at >= 0) focusOn(found.rows[found.at]);
    else choose();
    input.blur();
  } else if (step && items.length) {
    event.preventDefault();
    found.at = Math.max(-1, Math.min(items.length - 1, found.at + step));
    items.forEach((item, k) => item.classList.toggle("at", k === found.at));
    items[found.at]?.scrollIntoView({ block: "nearest" });
  }
}
