// Mouse, touch and pen on the map become: pan, zoom, hover, click, lasso.

const CLICK = 4; // CSS pixels a pointer may move and still click

/**
 * Listens on `target`. `tool()` is "pan" or "lasso"; with shift or alt held, dragging draws a lasso with
 * either. `act` has pan(dx, dy), zoom(x, y, factor), hover(x, y), leave(), click(x, y), rest() and
 * lasso(polygon, how, done): polygon [x0, y0, x1, y1, …], how "replace", "add" or "subtract"; a polygon of
 * null takes the one being drawn away.
 */
export class Gestures {
  constructor(target, tool, act) {
    Object.assign(this, { target, tool, act, drag: null, pointers: new Map() });
    target.addEventListener("pointerdown", (event) => this.down(event));
    target.addEventListener("pointermove", (event) => this.move(event));
    target.addEventListener("pointerup", (event) => this.up(event));
    target.addEventListener("pointercancel", (event) => this.up(event));
    target.addEventListener("pointerleave", () => act.leave());
    target.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    target.addEventListener("dblclick", (event) => act.zoom(...this.place(event), event.shiftKey ? 0.5 : 2));
  }

  place(event) {
    const box = this.target.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** Forget the drag that is going on. */
  cancel() {
    const how = this.drag?.how ?? "replace";
    this.drag = null;
    this.act.lasso(null, how, true);
  }

  down(event) {
    if (event.button !== 0) return;
    this.target.setPointerCapture(event.pointerId);
    const [x, y] = this.place(event);
    this.pointers.set(event.pointerId, [x, y]);
    if (this.pointers.size > 1) {
      this.cancel();
      return;
    }
    const how = event.altKey ? "subtract" : event.shiftKey ? "add" : "replace";
    const lasso = this.tool() === "lasso" || how !== "replace";
    this.drag = { x, y, moved: false, how, polygon: [x, y], lasso };
  }

  move(event) {
    const [x, y] = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (before && this.pointers.size === 2) this.pinch(event.pointerId, before, [x, y]);
    else if (before && this.drag) this.dragTo(x, y, before);
    else if (!before) this.act.hover(x, y);
    if (before) this.pointers.set(event.pointerId, [x, y]);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const { drag } = this;
    this.drag = null;
    if (event.type === "pointercancel") this.act.lasso(null, "replace", true);
    else if (drag && !drag.moved) this.act.click(drag.x, drag.y);
    else if (drag?.lasso) this.act.lasso(drag.polygon, drag.how, true);
    if (!this.pointers.size) this.act.rest();
  }

  dragTo(x, y, before) {
    const { drag } = this;
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < CLICK) return;
    const [x0, y0] = drag.moved ? before : [drag.x, drag.y];
    drag.moved = true;
    if (drag.lasso) {
      drag.polygon.push(x, y);
      this.act.lasso(drag.polygon, drag.how, false);
    } else {
      this.act.pan(x - x0, y - y0);
    }
  }

  pinch(id, before, now) {
    const other = [...this.pointers].find(([key]) => key !== id)[1];
    const middle = (p) => [(p[0] + other[0]) / 2, (p[1] + other[1]) / 2];
    const spread = (p) => Math.max(1, Math.hypot(p[0] - other[0], p[1] - other[1]));
    const [x0, y0] = middle(before);
    const [x, y] = middle(now);
    this.act.pan(x - x0, y - y0);
    this.act.zoom(x, y, spread(now) / spread(before));
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 18 : 1;
    const step = Math.max(-240, Math.min(240, event.deltaY * lines));
    this.act.zoom(...this.place(event), Math.exp(-step * (event.ctrlKey ? 0.008 : 0.0018)));
  }
}
