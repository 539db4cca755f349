// Draws the shown layers: solid things, the shade between them, glass from far to near, then fewer samples.
import { makeArrays, makeProgram } from "./program.js";
import { BALL, COMPOSE, GLASS, MESH, SHADE, STICK } from "./shaders.js";
import { makeBalls, makeMeshes, makeSticks } from "./shapes.js";
import { makeTargets } from "./targets.js";

const MOST_SAMPLES = 1.6e7;
// Milliseconds that the plainest frame may take for what moves, and for what rests, to be drawn at its best.
const MOVING = 14,
  RESTING = 90;
const FOG = 0.42;

export class Renderer {
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: true, preserveDrawingBuffer: true });
    if (!gl) throw new Error("this browser offers no WebGL 2");
    Object.assign(this, { canvas, gl, targets: null, held: [], plainTime: 0, quality: "plain" });
    this.programs = Object.fromEntries(
      Object.entries({ BALL, STICK, MESH, GLASS, SHADE, COMPOSE }).map(([k, v]) => [k, makeProgram(gl, v)]),
    );
    this.screen = makeArrays(gl, [[0, new Float32Array([-1, -1, 3, -1, -1, 3]), 2]]);
  }

  /** Bring layers to the graphics card; what was there is dropped. */
  show(layers, marks) {
    const { gl } = this;
    this.held.forEach((h) => h.drop());
    this.balls = makeBalls(gl, layers, marks);
    this.sticks = makeSticks(gl, layers);
    this.solid = makeMeshes(gl, layers, true);
    this.glass = makeMeshes(gl, layers, false);
    this.held = [this.balls, this.sticks, this.solid, this.glass];
  }

  /** Fit to the canvas in CSS pixels, with `samples` × `samples` samples for each pixel of the screen. */
  fit(width, height, samples) {
    const ratio = window.devicePixelRatio || 1;
    const w = Math.max(1, Math.round(width * ratio)),
      h = Math.max(1, Math.round(height * ratio));
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    const limit = Math.min(samples, Math.max(1, Math.floor(Math.sqrt(MOST_SAMPLES / (w * h)))));
    if (this.targets?.width === w * limit && this.targets.height === h * limit) return;
    this.targets?.drop();
    this.targets = makeTargets(this.gl, w * limit, h * limit);
  }

  /**
   * Draw. `look` gives camera, theme (ground, outline as [r, g, b]), `clear`, how opaque glass is, and `best`,
   * whether it may take its time. The first frame is plain, and tells how fast this machine is.
   */
  draw(width, height, look, moving) {
    const first = !this.plainTime,
      best = look.best || (!first && this.plainTime < (moving ? MOVING : RESTING));
    this.quality = best ? "best" : first || moving ? "plain" : "shaded";
    const begin = performance.now();
    this.fit(width, height, best ? 2 : 1);
    const u = look.camera.uniforms(),
      shaded = this.quality !== "plain";
    this.drawSolid(u);
    if (shaded) this.drawShade(u);
    this.compose(u, look.theme, shaded);
    this.drawGlass(u, look);
    this.resolve();
    if (!first) return;
    // Asking for a pixel waits until everything is drawn.
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
    this.plainTime = performance.now() - begin;
  }

  lens(program, u) {
    program.use();
    program.turn("turn", u.turn);
    program.set("move", ...u.move);
    program.set("lens", u.sx, u.sy, u.near, u.far);
    program.set("kind", u.flat, u.distance);
  }

  drawSolid(u) {
    const { gl, targets, programs } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, targets.solid);
    gl.viewport(0, 0, targets.width, targets.height);
    gl.enable(gl.DEPTH_TEST);
    gl.depthMask(true);
    gl.disable(gl.BLEND);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    for (const [program, shapes] of [
      [programs.BALL, this.balls],
      [programs.STICK, this.sticks],
    ]) {
      if (!shapes.count) continue;
      this.lens(program, u);
      gl.bindVertexArray(shapes.array);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, shapes.count);
    }
    if (!this.solid.count) return;
    this.lens(programs.MESH, u);
    gl.bindVertexArray(this.solid.array);
    gl.drawElements(gl.TRIANGLES, this.solid.count, gl.UNSIGNED_INT, 0);
  }

  // One triangle over the whole target.
  cover(target, width, height) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, target);
    gl.viewport(0, 0, width, height);
    gl.disable(gl.DEPTH_TEST);
    gl.bindVertexArray(this.screen.array);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  drawShade(u) {
    const { targets, programs } = this,
      { depths, normals } = targets.textures;
    this.lens(programs.SHADE, u);
    programs.SHADE.texture("depths", 0, depths);
    programs.SHADE.texture("normals", 1, normals);
    this.cover(targets.shade, ...targets.half);
  }

  compose(u, theme, shaded) {
    const { targets, programs } = this,
      program = programs.COMPOSE,
      { colours, depths, normals, shades } = targets.textures;
    this.lens(program, u);
    Object.entries({ colours, depths, normals, shades }).forEach(([name, t], k) => program.texture(name, k, t));
    program.set("air", ...theme.ground.map((c) => c / 255), FOG);
    program.set("outline", ...theme.outline.map((c) => c / 255));
    program.set("reach", u.reach);
    program.set("shaded", shaded ? 1 : 0);
    this.cover(targets.compose, targets.width, targets.height);
  }

  drawGlass(u, { theme, clear }) {
    if (!this.glass.count) return;
    const { gl, targets, programs } = this;
    for (let k = 0; k < 4; k++) {
      gl.activeTexture(gl.TEXTURE0 + k);
      gl.bindTexture(gl.TEXTURE_2D, null);
    }
    this.glass.sort(u.turn.slice(6, 9));
    gl.bindFramebuffer(gl.FRAMEBUFFER, targets.glass);
    gl.viewport(0, 0, targets.width, targets.height);
    gl.enable(gl.DEPTH_TEST);
    gl.depthMask(false);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.lens(programs.GLASS, u);
    programs.GLASS.set("clear", clear);
    programs.GLASS.set("air", ...theme.ground.map((c) => c / 255), FOG);
    programs.GLASS.set("reach", u.reach);
    gl.bindVertexArray(this.glass.array);
    gl.drawElements(gl.TRIANGLES, this.glass.count, gl.UNSIGNED_INT, 0);
    gl.disable(gl.BLEND);
    gl.depthMask(true);
  }

  // From the samples to the pixels of the canvas.
  resolve() {
    const { gl, targets, canvas } = this;
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, targets.glass);
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
    gl.blitFramebuffer(
      ...[0, 0, targets.width, targets.height],
      ...[0, 0, canvas.width, canvas.height],
      gl.COLOR_BUFFER_BIT,
      gl.LINEAR,
    );
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }
}
