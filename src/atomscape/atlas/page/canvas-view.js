// A 3D view drawn by the Canvas2D painter; needs no WebGL.
import { sharpContext } from "./dom.js";
import { paint, paintLetters } from "./painter.js";
import { product, rotation } from "./vector.js";

const SPIN = 0.012; // radians per frame
const UPRIGHT = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];

/** The view in `box`: show(scene, keep), reset(), zoom(factor), spin(on), cellShown(), remove(). */
export class CanvasView {
  constructor(box, elements, theme) {
    Object.assign(this, { box, elements, theme, scene: null, turned: UPRIGHT, size: 1, spinning: false });
    this.canvas = document.createElement("canvas");
    this.asked = false;
    box.append(this.canvas);
    this.listen();
    this.observer = new ResizeObserver(() => this.ask());
    this.observer.observe(box);
  }

  show(scene, keep = false) {
    this.scene = scene;
    if (!keep) this.reset();
    this.ask();
  }

  reset() {
    this.turned = UPRIGHT;
    this.size = 1;
    this.ask();
  }

  zoom(factor) {
    this.size = Math.min(8, Math.max(0.3, this.size * factor));
    this.ask();
  }

  spin(on) {
    this.spinning = on;
    this.ask();
  }

  cellShown() {
    return this.scene?.edges.length ?? 0;
  }

  remove() {
    this.observer.disconnect();
    this.canvas.remove();
  }

  turn(x, y) {
    this.turned = product(product(rotation("x", x), rotation("y", y)), this.turned);
    this.ask();
  }

  ask() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.asked = false;
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width || !height || !this.canvas.isConnected) return;
    const context = sharpContext(this.canvas, width, height);
    context.clearRect(0, 0, width, height);
    if (!this.scene) return;
    const look = { width, height, turned: this.turned, zoom: this.size, theme: this.theme() };
    paint(context, this.scene, this.elements, look);
    paintLetters(context, this.scene, look);
    if (this.spinning) this.turn(0, SPIN);
  }

  listen() {
    const { canvas } = this;
    canvas.style.touchAction = "none";
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) this.turn(event.movementY * 0.01, event.movementX * 0.01);
    });
    const wheel = (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * 0.0015));
    };
    canvas.addEventListener("wheel", wheel, { passive: false });
  }
}
