// Start: read the scene, make the parts, tie them together.
import { Camera } from "./camera.js";
import { el, iconButton } from "./dom.js";
import { listenToHands } from "./hands.js";
import { keysOf, listenToKeys, makeHelp } from "./keys.js";
import { drawLabels, makeLabels } from "./labels.js";
import { unpack } from "./pack.js";
import { makePanel } from "./panel.js";
import { pick } from "./pick.js";
import { Renderer } from "./renderer.js";
import { readTheme, systemTheme } from "./theme.js";

const $ = (id) => document.getElementById(id);
const SPIN = 0.35; // radians per second

// Replace what the manifest says of an array by the array.
async function filledIn(value) {
  if (Array.isArray(value)) return Promise.all(value.map(filledIn));
  if (value === null || typeof value !== "object") return value;
  if (value.id?.startsWith?.("blob-")) return unpack(value.id, value.dtype);
  const pairs = Object.entries(value).map(async ([k, v]) => [k, await filledIn(v)]);
  return Object.fromEntries(await Promise.all(pairs));
}

// The part of the screen that the card leaves free.
function freeFrame() {
  const w = $("stage").clientWidth,
    h = $("stage").clientHeight,
    card = $("panel");
  const taken = card.hidden || w < 560 || !card.querySelector(".entry") ? 0 : card.offsetLeft + card.offsetWidth;
  return { x: taken, y: 0, width: Math.max(1, w - taken), height: Math.max(1, h), w: Math.max(1, w), h: Math.max(1, h) };
}

class Viewer {
  constructor(manifest) {
    this.layers = manifest.layers;
    this.state = { shown: new Set(manifest.layers.filter((l) => l.shown).map((l) => l.name)), clear: 1 };
    this.camera = new Camera(manifest, freeFrame);
    this.renderer = new Renderer($("canvas"));
    this.look = { camera: this.camera, theme: null, clear: 1, best: false };
    Object.assign(this, { title: manifest.title, hovered: null, spinning: false, wanted: false, moving: 0, drawn: 0 });
  }

  shownLayers() {
    return this.layers.filter((l) => this.state.shown.has(l.name));
  }

  /** The layers, or what is marked in them, have changed. */
  refresh() {
    const { hovered, look } = this;
    const marks = hovered ? [{ at: hovered.at, radius: hovered.radius, colour: look.theme.muted }] : [];
    this.renderer.show(this.shownLayers(), marks);
    this.want();
  }

  relabel() {
    this.place = makeLabels($("labels"), this.shownLayers());
  }

  /** Ask for a frame; `moving` if more will follow at once. */
  want(moving = false) {
    if (moving) {
      this.moving = performance.now();
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.want(), 180);
    }
    if (this.wanted) return;
    this.wanted = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.wanted = false;
    if (this.spinning) {
      const past = Math.min(0.1, (now - (this.before ?? now)) / 1000);
      this.camera.rotate((SPIN * past) / 0.0085, 0);
      this.want(true);
    }
    this.before = now;
    const { w, h } = freeFrame();
    this.renderer.draw(w, h, this.look, performance.now() - this.moving < 150);
    this.place(this.camera);
    if (!this.drawn++) this.want();
  }

  choose(layer) {
    for (const l of this.layers) if (l.group === layer.group) this.state.shown.delete(l.name);
    this.state.shown.add(layer.name);
    $("spoken").textContent = `${layer.name} ${layer.note}`;
  }

  /** Next or previous of the first group. */
  step(by) {
    const group = this.layers.find((l) => l.group)?.group;
    const ranked = this.layers.filter((l) => group && l.group === group);
    if (!ranked.length) return;
    const at = ranked.findIndex((l) => this.state.shown.has(l.name));
    this.choose(ranked[(at + by + ranked.length) % ranked.length]);
  }
}

// What the reader can do, by hand, by key and by button.
function actions(viewer, panel) {
  const { camera, state } = viewer;
  const middle = (x, y) => {
    const f = freeFrame();
    return [x - f.x - f.width / 2, y - f.height / 2];
  };
  const moved = (act) => (...a) => {
    act(...a);
    viewer.want(true);
  };
  const changed = () => {
    viewer.relabel();
    viewer.refresh();
    panel.update();
  };
  return {
    turn: moved((dx, dy) => camera.rotate(dx, dy)),
    pan: moved((dx, dy) => camera.pan(dx, dy)),
    roll: moved((angle) => camera.roll(angle)),
    zoom: moved((factor, x, y) => camera.zoom(factor, ...(x === undefined ? [0, 0] : middle(x, y)))),
    rest: () => viewer.want(),
    reset: moved(() => camera.reset()),
    flat: moved(() => {
      camera.flat = !camera.flat;
      panel.buttons.flat.setAttribute("aria-pressed", String(camera.flat));
    }),
    spin: moved(() => {
      viewer.spinning = !viewer.spinning;
      panel.buttons.spin.setAttribute("aria-pressed", String(viewer.spinning));
    }),
    labels: () => {
      $("labels").hidden = !$("labels").hidden;
      panel.buttons.labels.setAttribute("aria-pressed", String(!$("labels").hidden));
    },
    theme: () => applyTheme(viewer, document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
    save: () => save(viewer),
    step: (by) => {
      viewer.step(by);
      changed();
    },
    change: ({ choose, toggle, clear }) => {
      if (choose) viewer.choose(choose);
      if (toggle) state.shown[state.shown.has(toggle.name) ? "delete" : "add"](toggle.name);
      if (clear !== undefined) state.clear = viewer.look.clear = clear;
      if (clear === undefined) changed();
      else viewer.want(true);
    },
    ...pointing(viewer),
  };
}

// Hover names an atom, a double click makes it the middle.
function pointing(viewer) {
  const { camera } = viewer;
  const mark = (found, x, y) => {
    const hint = $("hint");
    hint.hidden = !found;
    $("canvas").classList.toggle("on-atom", Boolean(found));
    if (found) {
      const at = found.at.map((v) => v.toFixed(2)).join("  ");
      hint.replaceChildren(el("b", {}, found.name), el("span", {}, `${at} Å`));
      hint.style.transform = `translate(${x + 14}px, ${y + 14}px)`;
    }
    if (found?.name === viewer.hovered?.name && String(found?.at) === String(viewer.hovered?.at)) return;
    viewer.hovered = found;
    viewer.refresh();
  };
  const at = (x, y) => pick(viewer.shownLayers(), camera, x, y);
  return {
    hover: (x, y) => mark(at(x, y), x, y),
    leave: () => mark(null),
    click: (x, y) => mark(at(x, y), x, y),
    twice: (x, y) => {
      const found = at(x, y);
      if (found) camera.centre(found.at);
      else camera.reset();
      viewer.want();
    },
  };
}

function applyTheme(viewer, name) {
  document.documentElement.dataset.theme = name;
  viewer.look.theme = readTheme();
  viewer.refresh();
}

// The picture as it stands, labels included, on the ground of the page.
function save(viewer) {
  const canvas = $("canvas"),
    picture = el("canvas", { width: canvas.width, height: canvas.height }),
    context = picture.getContext("2d");
  const [r, g, b] = viewer.look.theme.ground;
  context.fillStyle = `rgb(${r} ${g} ${b})`;
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(canvas, 0, 0);
  if (!$("labels").hidden) drawLabels(context, $("labels"), canvas.width / canvas.clientWidth);
  picture.toBlob((blob) => {
    const link = el("a", { href: URL.createObjectURL(blob), download: `${viewer.title || "structure"}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

function makeTools(act, openHelp) {
  const pressed = (on) => ({ "aria-pressed": String(on) });
  const buttons = {
    spin: iconButton("spin", "Spin (Space)", () => act().spin(), pressed(false)),
    flat: iconButton("cube", "Parallel projection (O)", () => act().flat(), pressed(false)),
    labels: iconButton("tag", "Labels (L)", () => act().labels(), pressed(true)),
    reset: iconButton("fit", "Back to the first view (R)", () => act().reset()),
    theme: iconButton("moon", "Light or dark (T)", () => act().theme()),
    save: iconButton("image", "Save a picture (S)", () => act().save()),
    help: iconButton("help", "Keys (?)", () => openHelp()),
  };
  $("tools").append(...Object.values(buttons));
  return buttons;
}

async function start() {
  const manifest = await filledIn(JSON.parse($("manifest").textContent));
  const asked = new URLSearchParams(location.hash.slice(1)),
    viewer = new Viewer(manifest);
  $("panel").hidden = asked.get("panel") === "no";
  $("tools").hidden = asked.get("panel") === "no";
  let act = null,
    openHelp = null;
  const update = makePanel($("panel"), manifest, viewer.state, (what) => act.change(what));
  const buttons = makeTools(
    () => act,
    () => openHelp(),
  );
  act = actions(viewer, { update, buttons });
  const keys = keysOf({ ...act, help: () => openHelp() });
  openHelp = makeHelp($("keys"), keys);
  viewer.look.best = asked.get("quality") === "best";
  const first = viewer.layers.find((l) => l.name === asked.get("show"));
  if (first?.group) viewer.choose(first);
  viewer.relabel();
  applyTheme(viewer, asked.get("theme") ?? systemTheme());
  update();
  listenToHands($("canvas"), act);
  listenToKeys(keys);
  new ResizeObserver(() => viewer.want()).observe($("stage"));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => applyTheme(viewer, systemTheme()));
  window.atomscape = { modules, viewer, act };
}

start().catch((error) => {
  $("failure").textContent = `This scene could not be drawn: ${error.message}`;
  $("panel").hidden = $("tools").hidden = true;
  throw error;
});
