// The 3D view of one structure: 3Dmol where WebGL works, else the Canvas2D painter with the same scene.
import { CanvasView } from "./canvas-view.js";
import { hasWebGL, startWebGL } from "./webgl-view.js";

/**
 * A viewer in `box`; `theme()` gives the colours. 3Dmol is started with the first structure; until it is
 * ready, and where it cannot run, the painter draws. `kind` is "webgl" or "canvas", `problem`
 * says why not WebGL; `onChange` hears of them.
 */
export class Viewer {
  constructor(box, elements, theme, onChange) {
    Object.assign(this, { box, elements, theme, onChange, kind: "canvas", scene: null, spinning: false });
    this.view = new CanvasView(box, elements, theme);
    this.started = false;
    this.problem = "";
  }

  show(scene) {
    this.scene = scene;
    this.view.show(scene);
    if (!scene || this.started) return;
    this.started = true;
    (window.requestIdleCallback ?? setTimeout)(() => this.start());
  }

  async start() {
    try {
      if (!hasWebGL()) throw new Error("this browser offers no WebGL");
      const view = await startWebGL(this.box, this.elements, this.theme);
      this.view.remove();
      this.view = view;
      this.kind = "webgl";
      view.show(this.scene);
      if (this.spinning) view.spin(true);
    } catch (error) {
      this.problem = String(error); // the painter goes on
    }
    this.onChange();
  }

  /** Draw again, in other colours. */
  refresh() {
    this.view.show(this.scene, true);
  }

  reset() {
    this.view.reset();
  }

  zoom(factor) {
    this.view.zoom(factor);
  }

  spin(on) {
    this.spinning = on;
    this.view.spin(on);
  }

  /** Edges of the cell that are drawn. */
  cellShown() {
    return this.view.cellShown();
  }
}
