// Where one looks from: a turn about the middle of the scene, a shift in the plane of the screen, a distance.
import { about, product, straightened, turned } from "./matrix.js";

const ANGLE = 0.42; // radians from the top to the bottom of the screen
const ROOM = 1.08;

/** `frame()` gives the part of the screen that is free: {x, y, width, height} in CSS pixels of {w, h}. */
export class Camera {
  constructor(manifest, frame) {
    Object.assign(this, { first: manifest.turn, home: manifest.middle, radius: manifest.radius, frame });
    this.flat = false;
    this.reset();
  }

  reset() {
    this.turn = [...this.first];
    this.middle = [...this.home];
    this.shift = [0, 0];
    this.closer = 1;
  }

  rotate(dx, dy) {
    const speed = 0.0085;
    this.turn = straightened(
      product(product(about([1, 0, 0], dy * speed), about([0, 1, 0], dx * speed)), this.turn),
    );
  }

  roll(angle) {
    this.turn = straightened(product(about([0, 0, 1], angle), this.turn));
  }

  /** Zoom so that the point of the screen at (x, y), from the middle in CSS pixels, stays where it is. */
  zoom(factor, x = 0, y = 0) {
    const closer = Math.min(25, Math.max(0.2, this.closer * factor)),
      before = 1 / this.scale();
    this.closer = closer;
    const after = 1 / this.scale();
    this.shift = [this.shift[0] + x * (after - before), this.shift[1] - y * (after - before)];
  }

  pan(dx, dy) {
    const step = 1 / this.scale();
    this.shift = [this.shift[0] + dx * step, this.shift[1] - dy * step];
  }

  /** Turn about a place from now on. */
  centre(at) {
    this.middle = [...at];
    this.shift = [0, 0];
  }

  distance() {
    const { width, height, h } = this.frame();
    const fill = Math.min(width, height) / h;
    return (this.radius * ROOM) / Math.sin(ANGLE / 2) / fill / this.closer;
  }

  /** CSS pixels per Å in the plane through the middle. */
  scale() {
    return this.frame().h / (2 * this.distance() * Math.tan(ANGLE / 2));
  }

  /** What the shaders need: rotation, shift, and the projection as [1/tan x, 1/tan y, near, far]. */
  uniforms() {
    const { x, y, width, height, w, h } = this.frame();
    const distance = this.distance(),
      tan = Math.tan(ANGLE / 2),
      scale = this.scale();
    // The free part of the screen has its own middle.
    const off = [(x + width / 2 - w / 2) / scale, -(y + height / 2 - h / 2) / scale];
    const reach = this.radius * 2.2 + 2;
    const near = Math.max(0.02 * distance, distance - reach),
      far = distance + reach;
    const m = turned(this.turn, this.middle);
    const move = [off[0] + this.shift[0] - m[0], off[1] + this.shift[1] - m[1], -distance - m[2]];
    const sx = h / w / tan,
      sy = 1 / tan;
    return { turn: this.turn, move, sx, sy, near, far, distance, flat: this.flat ? 1 : 0, reach: this.radius };
  }

  /** The view frame's coordinates of a place, and its pixel: {v: [x, y, z], x, y, scale}. */
  project(at) {
    const { w, h } = this.frame(),
      u = this.uniforms(),
      v = turned(this.turn, at).map((c, k) => c + u.move[k]);
    const depth = this.flat ? u.distance : -v[2];
    const scale = (u.sy * h) / 2 / depth;
    return { v, x: w / 2 + v[0] * scale, y: h / 2 - v[1] * scale, scale, front: -v[2] > u.near };
  }
}
