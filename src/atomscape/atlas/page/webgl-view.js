// A 3D view drawn by 3Dmol, which is unpacked and started when it is first needed.
import { css } from "./colour.js";
import { unpack } from "./pack.js";
import { BOND, ballRadius, elementColour } from "./painter.js";

const SPIN = 0.7; // degrees per step of 3Dmol's clock
const CAMERA = 150; // 3Dmol's camera stands at z = 150 and sees an angle of 20°
const HALF_ANGLE = Math.PI / 18;

/** Can this browser draw with WebGL? */
export function hasWebGL() {
  try {
    const canvas = document.createElement("canvas");
    return Boolean(canvas.getContext("webgl2") || canvas.getContext("webgl"));
  } catch {
    return false;
  }
}

/** Start 3Dmol in `box`; fails where it cannot run, and leaves nothing behind then. */
export async function startWebGL(box, elements, theme) {
  const library = await load3Dmol();
  const holder = document.createElement("div");
  holder.className = "webgl";
  box.append(holder);
  try {
    const look = { antialias: true, backgroundColor: css(theme().ground) };
    return new WebGLView(library.createViewer(holder, look), holder, elements, theme);
  } catch (error) {
    holder.remove();
    throw error;
  }
}

async function load3Dmol() {
  if (window.$3Dmol) return window.$3Dmol;
  const script = document.createElement("script");
  script.textContent = await unpack("blob-3Dmol", "text");
  document.head.append(script);
  script.remove();
  return window.$3Dmol;
}

/** The view: show(scene, keep), reset(), zoom(factor), spin(on), cellShown(), remove(). */
class WebGLView {
  constructor(gl, holder, elements, theme) {
    Object.assign(this, { gl, holder, elements, theme, scene: null });
    new ResizeObserver(() => gl.resize()).observe(holder);
  }

  show(scene, keep = false) {
    const { gl } = this;
    const view = gl.getView();
    this.scene = scene;
    gl.clear();
    gl.setBackgroundColor(css(this.theme().ground));
    if (scene) fill(gl, scene, this.elements, this.theme());
    gl.zoomTo();
    if (keep) gl.setView(view);
    else this.reset();
    gl.render();
  }

  reset() {
    if (!this.scene) return;
    const narrow = Math.min(1, this.holder.clientWidth / Math.max(1, this.holder.clientHeight));
    const distance = (this.scene.radius * 0.93 + 0.9) / narrow / Math.tan(HALF_ANGLE);
    this.gl.setView([0, 0, 0, CAMERA - distance, 0, 0, 0, 1, 0, 0]);
  }

  zoom(factor) {
    this.gl.zoom(factor);
  }

  spin(on) {
    this.gl.spin(on ? "y" : false, SPIN);
  }

  cellShown() {
    return this.scene?.edges.length ?? 0;
  }

  remove() {
    this.holder.remove();
  }
}

const colourNumber = ([r, g, b]) => (r << 16) | (g << 8) | b;

function fill(gl, scene, elements, theme) {
  const colour = (z) => colourNumber(elementColour(z, elements));
  const neighbours = scene.atoms.map(() => []);
  for (const { a, b, half } of scene.bonds) {
    if (half) continue;
    neighbours[a].push(b);
    neighbours[b].push(a);
  }
  const atoms = scene.atoms.map(({ z, at }, k) => ({
    elem: elements.symbols[z],
    ...point(at),
    bonds: neighbours[k],
    bondOrder: neighbours[k].map(() => 1),
    style: {
      sphere: { radius: ballRadius(z, elements.radii), color: colour(z) },
      stick: { radius: BOND, color: colour(z) },
    },
  }));
  gl.addModel().addAtoms(atoms);
  const halves = scene.bonds.filter((b) => b.half);
  for (const z of new Set(halves.map((b) => b.za))) {
    addRods(
      gl,
      halves.filter((b) => b.za === z),
      BOND,
      colour(z),
    );
  }
  addRods(gl, scene.edges, Math.min(0.06, Math.max(0.018, 0.0035 * scene.radius)), colourNumber(theme.cell));
  const style = { fontColor: colourNumber(theme.muted), fontSize: 13, showBackground: false };
  for (const { text, at } of scene.letters) {
    gl.addLabel(text, { ...style, position: point(at), alignment: "center", inFront: true });
  }
}

function point([x, y, z]) {
  return { x, y, z };
}

// Cylinders of one colour; a shape of 3Dmol has only one.
function addRods(gl, rods, radius, color) {
  if (!rods.length) return;
  const shape = gl.addShape({ color });
  for (const { from, to } of rods) {
    shape.addCylinder({ start: point(from), end: point(to), radius, color, fromCap: 1, toCap: 1 });
  }
}
