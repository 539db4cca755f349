// Mouse, touch and pen: one finger turns, two move, pinch and roll, the wheel zooms.

const CLICK = 4; // CSS pixels a pointer may move and still click

/** `act` has turn(dx, dy), pan(dx, dy), zoom(factor, x, y), roll(angle), hover(x, y), leave(), click(x, y), rest(). */
export function listenToHands(target, act) {
  const pointers = new Map();
  let moved = 0,
    panning = false;
  const place = (event) => {
    const box = target.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  target.addEventListener("pointerdown", (event) => {
    target.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    panning = event.button !== 0 || event.shiftKey || event.ctrlKey;
    if (pointers.size === 1) moved = 0;
  });
  target.addEventListener("pointermove", (event) => {
    const now = place(event),
      before = pointers.get(event.pointerId);
    if (!before) {
      act.hover(...now);
      return;
    }
    const dx = now[0] - before[0],
      dy = now[1] - before[1];
    moved += Math.abs(dx) + Math.abs(dy);
    if (pointers.size === 1) (panning ? act.pan : act.turn)(dx, dy);
    else pinch(event.pointerId, before, now);
    pointers.set(event.pointerId, now);
  });
  const pinch = (id, before, now) => {
    const other = [...pointers].find(([key]) => key !== id)[1];
    const line = (p) => [p[0] - other[0], p[1] - other[1]];
    const [a, b] = [line(before), line(now)],
      middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    act.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    act.zoom(Math.max(1, Math.hypot(...b)) / Math.max(1, Math.hypot(...a)), ...middle);
    const angle = Math.atan2(a[1], a[0]) - Math.atan2(b[1], b[0]);
    if (Math.abs(angle) < 1) act.roll(angle);
  };
  const up = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && moved < CLICK && !pointers.size) act.click(...place(event), event.detail);
    if (!pointers.size) act.rest();
  };
  target.addEventListener("pointerup", up);
  target.addEventListener("pointercancel", up);
  target.addEventListener("pointerleave", () => act.leave());
  target.addEventListener("dblclick", (event) => act.twice(...place(event)));
  target.addEventListener("contextmenu", (event) => event.preventDefault());
  target.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const step = Math.max(-240, Math.min(240, event.deltaY * (event.deltaMode === 1 ? 18 : 1)));
      act.zoom(Math.exp(-step * (event.ctrlKey ? 0.008 : 0.0016)), ...place(event));
    },
    { passive: false },
  );
}
