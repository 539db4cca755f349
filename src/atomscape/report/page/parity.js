// Predictions over labels, number by number: wheel and drag look closer, hovering says which structure.
import { sharpContext } from "./dom.js";
import { hint } from "./hint.js";
import { extent, short, ticks } from "./ticks.js";

const EDGE = { left: 62, right: 14, top: 12, bottom: 40 };

/** Draw `sets` ([{name, colour, label, predicted, structure}]) on a canvas; ids name structures. */
export function parityPlot(canvas, sets, unit, ids) {
  const all = sets.flatMap((s) => [extent(s.label), extent(s.predicted)]),
    low = Math.min(...all.map((e) => e[0])),
    high = Math.max(...all.map((e) => e[1])),
    room = (high - low || 1) * 0.04;
  const whole = { x0: low - room, x1: high + room, y0: low - room, y1: high + room };
  let view = { ...whole },
    size = { w: 0, h: 0 },
    marked = null;
  const px = (v) => EDGE.left + ((v - view.x0) / (view.x1 - view.x0)) * (size.w - EDGE.left - EDGE.right),
    py = (v) => size.h - EDGE.bottom - ((v - view.y0) / (view.y1 - view.y0)) * (size.h - EDGE.top - EDGE.bottom);

  function draw() {
    const box = canvas.getBoundingClientRect();
    if (!box.width) return;
    size = { w: box.width, h: box.width / 1.12 };
    const c = sharpContext(canvas, size.w, size.h),
      style = getComputedStyle(document.documentElement),
      colour = (name) => style.getPropertyValue(name).trim();
    canvas.style.width = "";
    canvas.style.height = "";
    c.font = `11px ${colour("--font")}`;
    c.fillStyle = colour("--ground");
    c.fillRect(0, 0, size.w, size.h);
    c.strokeStyle = colour("--line");
    c.fillStyle = colour("--muted");
    c.textAlign = "center";
    for (const t of ticks(view.x0, view.x1, 6)) {
      line(c, px(t), EDGE.top, px(t), size.h - EDGE.bottom);
      c.fillText(short(t, 4), px(t), size.h - EDGE.bottom + 15);
    }
    c.fillText(`label, ${unit}`, (EDGE.left + size.w - EDGE.right) / 2, size.h - 6);
    c.textAlign = "right";
    for (const t of ticks(view.y0, view.y1, 6)) {
      line(c, EDGE.left, py(t), size.w - EDGE.right, py(t));
      c.fillText(short(t, 4), EDGE.left - 7, py(t) + 4);
    }
    c.save();
    c.translate(12, (EDGE.top + size.h - EDGE.bottom) / 2);
    c.rotate(-Math.PI / 2);
    c.textAlign = "center";
    c.fillText(`prediction, ${unit}`, 0, 0);
    c.restore();
    c.save();
    c.beginPath();
    c.rect(EDGE.left, EDGE.top, size.w - EDGE.left - EDGE.right, size.h - EDGE.top - EDGE.bottom);
    c.clip();
    c.strokeStyle = colour("--faint");
    c.setLineDash([5, 4]);
    line(c, px(whole.x0 - 9e3 * room), py(whole.x0 - 9e3 * room), px(whole.x1 + 9e3 * room), py(whole.x1 + 9e3 * room));
    c.setLineDash([]);
    const many = sets.reduce((n, s) => n + s.label.length, 0),
      radius = many > 4000 ? 1.5 : many > 600 ? 2.2 : 3.2;
    c.globalAlpha = many > 4000 ? 0.35 : many > 600 ? 0.55 : 0.75;
    for (const s of sets) {
      c.fillStyle = colour(s.colour);
      c.beginPath();
      for (let i = 0; i < s.label.length; i++) {
        const x = px(s.label[i]),
          y = py(s.predicted[i]);
        c.moveTo(x + radius, y);
        c.arc(x, y, radius, 0, 6.3);
      }
      c.fill();
    }
    c.globalAlpha = 1;
    if (marked) {
      c.strokeStyle = colour("--ink");
      c.lineWidth = 1.6;
      c.beginPath();
      c.arc(px(marked.s.label[marked.i]), py(marked.s.predicted[marked.i]), radius + 3, 0, 6.3);
      c.stroke();
    }
    c.restore();
  }

  function nearest(x, y) {
    let best = null,
      distance = 14 * 14;
    for (const s of sets)
      for (let i = 0; i < s.label.length; i++) {
        const d = (px(s.label[i]) - x) ** 2 + (py(s.predicted[i]) - y) ** 2;
        if (d < distance) [best, distance] = [{ s, i }, d];
      }
    return best;
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  let held = null;
  canvas.addEventListener("pointerdown", (event) => ((held = place(event)), canvas.setPointerCapture(event.pointerId)));
  canvas.addEventListener("pointerup", () => (held = null));
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (held) {
      const dx = ((held[0] - x) / (size.w - EDGE.left - EDGE.right)) * (view.x1 - view.x0),
        dy = ((y - held[1]) / (size.h - EDGE.top - EDGE.bottom)) * (view.y1 - view.y0);
      view = { x0: view.x0 + dx, x1: view.x1 + dx, y0: view.y0 + dy, y1: view.y1 + dy };
      held = [x, y];
      return draw();
    }
    marked = nearest(x, y);
    draw();
    if (!marked) return hint(null, null);
    const { s, i } = marked,
      off = s.predicted[i] - s.label[i];
    hint(event, ids[s.structure[i]] || s.name, [
      [`var(${s.colour})`, s.name, ""],
      [null, "label", `${short(s.label[i], 5)} ${unit}`],
      [null, "prediction", `${short(s.predicted[i], 5)} ${unit}`],
      [null, "error", `${off > 0 ? "+" : ""}${short(off)} ${unit}`],
    ]);
  });
  canvas.addEventListener("pointerleave", () => ((marked = null), draw(), hint(null, null)));
  canvas.addEventListener("dblclick", () => ((view = { ...whole }), draw()));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const [x, y] = place(event),
        k = Math.exp(event.deltaY * 0.0015),
        at = [
          view.x0 + ((x - EDGE.left) / (size.w - EDGE.left - EDGE.right)) * (view.x1 - view.x0),
          view.y0 + ((size.h - EDGE.bottom - y) / (size.h - EDGE.top - EDGE.bottom)) * (view.y1 - view.y0),
        ];
      view = {
        x0: at[0] + (view.x0 - at[0]) * k,
        x1: at[0] + (view.x1 - at[0]) * k,
        y0: at[1] + (view.y0 - at[1]) * k,
        y1: at[1] + (view.y1 - at[1]) * k,
      };
      draw();
    },
    { passive: false },
  );
  new ResizeObserver(draw).observe(canvas);
  return draw;
}

function line(c, x0, y0, x1, y1) {
  c.beginPath();
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.stroke();
}
