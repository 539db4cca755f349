// The 3D view: 3Dmol where WebGL works, else the Canvas2D painter with the same scene and the same gestures.
import { sharpContext } from "./dom.js";
import { unpack } from "./pack.js";
import { BOND, ballRadius, elementColour, paint, paintLetters } from "./painter.js";
import { css } from "./colour.js";
import { product, rotation } from "./vector.js";

const SPIN = 0.012;  // radians per frame
const UPRIGHT = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];

/** Can this browser draw with WebGL? */
export function hasWebGL() {
  try {
    const canvas = document.createElement("canvas");
    return Boolean(canvas.getContext("webgl2") || canvas.getContext("webgl"));
  } catch {
    return false;
  }
}

/**
 * A viewer in `box`. `theme()` gives the colours. Until 3Dmol is ready, and where it cannot run, the painter draws.
 * `kind` is "webgl" or "canvas"; `onChange` is told when it changes.
 */
export function makeViewer(box, elements, theme, onChange) {
  const viewer = { kind: "canvas", scene: null, spinning: false };
  let drawing = canvasDrawing(box, elements, theme);
  viewer.show = (scene) => { viewer.scene = scene; drawing.show(scene); };
  viewer.reset = () => drawing.reset();
  viewer.zoom = (factor) => drawing.zoom(factor);
  viewer.refresh = () => drawing.show(viewer.scene, true);
  viewer.spin = (on) => { viewer.spinning = on; drawing.spin(on); };
  viewer.cellShown = () => drawing.cellShown();
  viewer.start = async () => {
    if (!hasWebGL()) return;
    try {
      const next = await webglDrawing(box, elements, theme);
      drawing.remove();
      drawing = next;
      viewer.kind = "webgl";
      drawing.show(viewer.scene);
      drawing.spin(viewer.spinning);
      onChange();
    } catch (error) {
      viewer.problem = String(error);
    }
  };
  return viewer;
}

function canvasDrawing(box, elements, theme) {
  const canvas = document.createElement("canvas");
  box.append(canvas);
  let scene = null, turned = UPRIGHT, zoom = 1, spinning = false, asked = false;
  const draw = () => {
    asked = false;
    const { clientWidth: width, clientHeight: height } = box;
    if (!width || !height) return;
    const context = sharpContext(canvas, width, height);
    context.clearRect(0, 0, width, height);
    if (!scene) return;
    const look = { width, height, turned, zoom, theme: theme() };
    paint(context, scene, elements, look);
    paintLetters(context, scene, look);
    if (spinning && canvas.isConnected) { turned = product(rotation("y", SPIN), turned); later(); }
  };
  const later = () => { if (!asked) { asked = true; requestAnimationFrame(draw); } };
  listenToDrag(canvas, (dx, dy) => {
    turned = product(product(rotation("x", dy * 0.01), rotation("y", dx * 0.01)), turned);
    later();
  }, (factor) => { zoom = Math.min(8, Math.max(0.3, zoom * factor)); later(); });
  const observer = new ResizeObserver(later);
  observer.observe(box);
  return {
    show(next, keep) { if (!keep) { turned = UPRIGHT; zoom = 1; } scene = next; later(); },
    reset() { turned = UPRIGHT; zoom = 1; later(); },
    zoom(factor) { zoom *= factor; later(); },
    spin(on) { spinning = on; later(); },
    cellShown: () => scene?.edges.length ?? 0,
    remove() { observer.disconnect(); spinning = false; canvas.remove(); },
  };
}

function listenToDrag(canvas, onTurn, onZoom) {
  canvas.style.touchAction = "none";
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) onTurn(event.movementX, event.movementY); });
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); onZoom(Math.exp(-event.deltaY * 0.0015)); }, { passive: false });
}

async function load3Dmol() {
  if (window.$3Dmol) return window.$3Dmol;
  const script = document.createElement("script");
  script.textContent = await unpack("blob-3Dmol", "text");
  document.head.append(script);
  script.remove();
  return window.$3Dmol ?? window["3Dmol"];
}

async function webglDrawing(box, elements, theme) {
  const library = await load3Dmol(), holder = document.createElement("div");
  holder.className = "webgl";
  box.append(holder);
  let gl;
  try {
    gl = library.createViewer(holder, { antialias: true, backgroundColor: css(theme().ground), disableFog: false });
  } catch (error) {
    holder.remove();
    throw error;
  }
  let scene = null, cell = 0;
  const home = () => {
    const narrow = Math.min(1, holder.clientWidth / Math.max(1, holder.clientHeight));
    const distance = (scene.radius * 0.93 + 0.9) / narrow / Math.tan(Math.PI / 18);
    gl.setView([0, 0, 0, 150 - distance, 0, 0, 0, 1, 0, 0]);
  };
  const show = (next, keep) => {
    const view = gl.getView();
    scene = next;
    gl.clear();
    gl.setBackgroundColor(css(theme().ground));
    cell = scene ? fill(gl, scene, elements, theme()) : 0;
    gl.zoomTo();
    if (keep) gl.setView(view);
    else if (scene) home();
    gl.render();
  };
  new ResizeObserver(() => { gl.resize(); }).observe(holder);
  return {
    show,
    reset: () => scene && home(),
    zoom: (factor) => gl.zoom(factor),
    spin: (on) => gl.spin(on ? "y" : false, SPIN * 180 / Math.PI),
    cellShown: () => cell,
    remove: () => holder.remove(),
  };
}

// Put a scene into 3Dmol; returns the number of cell edges drawn.
function fill(gl, scene, elements, theme) {
  const neighbours = scene.atoms.map(() => []);
  for (const { a, b, half } of scene.bonds) if (!half) { neighbours[a].push(b); neighbours[b].push(a); }
  const number = ([r, g, b]) => r << 16 | g << 8 | b, colour = (z) => number(elementColour(z, elements));
  gl.addModel().addAtoms(scene.atoms.map(({ z, at: [x, y, zz] }, k) => ({
    elem: elements.symbols[z], x, y, z: zz, bonds: neighbours[k], bondOrder: neighbours[k].map(() => 1),
    style: { sphere: { radius: ballRadius(z, elements.radii), color: colour(z) }, stick: { radius: BOND, color: colour(z) } },
  })));
  const radius = Math.min(0.06, Math.max(0.018, 0.0035 * scene.radius)), halves = scene.bonds.filter((b) => b.half);
  for (const z of new Set(halves.map((b) => b.za))) addRods(gl, halves.filter((b) => b.za === z), BOND, colour(z));
  addRods(gl, scene.edges, radius, number(theme.cell));
  for (const { text, at } of scene.letters) {
    gl.addLabel(text, { position: { x: at[0], y: at[1], z: at[2] }, fontColor: number(theme.muted), fontSize: 13, showBackground: false,
      alignment: "center", inFront: true });
  }
  return scene.edges.length;
}

// Cylinders of one colour; a shape of 3Dmol has only one.
function addRods(gl, rods, radius, color) {
  if (!rods.length) return;
  const shape = gl.addShape({ color }), point = ([x, y, z]) => ({ x, y, z });
  for (const { from, to } of rods) shape.addCylinder({ start: point(from), end: point(to), radius, color, fromCap: 1, toCap: 1 });
}
