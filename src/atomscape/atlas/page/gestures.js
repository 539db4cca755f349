// Mouse, touch and pen on the map become: pan, zoom, hover, click, lasso.

const CLICK = 4;  // CSS pixels a pointer may move and still click

/**
 * Listen on `target`. `tool()` is "pan" or "lasso"; with shift or alt held, dragging draws a lasso with either.
 * `act` has pan(dx, dy), zoom(x, y, factor), hover(x, y), leave(), click(x, y), rest() and
 * lasso(polygon, how, done): polygon [x0, y0, x1, y1, …], how "replace", "add" or "subtract".
 */
export function listen(target, tool, act) {
  const pointers = new Map();
  let drag = null;
  const place = (event) => {
    const box = target.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  target.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    target.setPointerCapture(event.pointerId);
    const [x, y] = place(event);
    pointers.set(event.pointerId, [x, y]);
    const how = event.altKey ? "subtract" : event.shiftKey ? "add" : "replace";
    drag = pointers.size > 1 ? null : { x, y, moved: false, how, polygon: [x, y],
      lasso: tool() === "lasso" || how !== "replace" };
  });
  target.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (pointers.size === 2 && pointers.has(event.pointerId)) pinch(pointers, event.pointerId, [x, y], act);
    else if (drag) dragTo(drag, x, y, pointers.get(event.pointerId), act);
    else act.hover(x, y, event);
    if (pointers.has(event.pointerId)) pointers.set(event.pointerId, [x, y]);
  });
  const end = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    const ended = drag;
    drag = null;
    if (!ended) { if (!pointers.size) act.rest(); return; }
    if (event.type === "pointercancel") { act.lasso(null, ended.how, true); act.rest(); return; }
    if (!ended.moved) act.click(ended.x, ended.y);
    else if (ended.lasso) act.lasso(ended.polygon, ended.how, true);
    act.rest();
  };
  target.addEventListener("pointerup", end);
  target.addEventListener("pointercancel", end);
  target.addEventListener("pointerleave", () => act.leave());
  target.addEventListener("wheel", (event) => {
    event.preventDefault();
    const step = event.deltaMode === 1 ? event.deltaY * 18 : event.deltaY;
    act.zoom(...place(event), Math.exp(-Math.max(-240, Math.min(240, step)) * (event.ctrlKey ? 0.008 : 0.0018)));
  }, { passive: false });
  target.addEventListener("dblclick", (event) => act.zoom(...place(event), event.shiftKey ? 0.5 : 2));
  return { cancel() { drag = null; act.lasso(null, "replace", true); } };
}

function dragTo(drag, x, y, last, act) {
  if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < CLICK) return;
  const first = !drag.moved;
  drag.moved = true;
  if (drag.lasso) {
    drag.polygon.push(x, y);
    act.lasso(drag.polygon, drag.how, false);
  } else {
    act.pan(...(first ? [x - drag.x, y - drag.y] : [x - last[0], y - last[1]]));
  }
}

function pinch(pointers, id, now, act) {
  const other = [...pointers].find(([key]) => key !== id)[1], before = pointers.get(id);
  const middle = (p) => [(p[0] + other[0]) / 2, (p[1] + other[1]) / 2];
  const [mx, my] = middle(now), [ox, oy] = middle(before);
  const spread = (p) => Math.max(1, Math.hypot(p[0] - other[0], p[1] - other[1]));
  act.pan(mx - ox, my - oy);
  act.zoom(mx, my, spread(now) / spread(before));
}
