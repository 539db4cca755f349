// The keyboard.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MODES = ["points", "density", "both"];

/** Listen to keys anywhere but in fields and dialogs. */
export function listenToKeys({ data, state, map, searchBox, openAbout, onFocus }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.target.closest?.("input, select, textarea, dialog[open]"))
      return;
    const arrow = ARROWS[event.key];
    if (arrow) {
      event.preventDefault();
      if (state.focus >= 0 && !event.shiftKey) step(arrow, state, map, onFocus);
      else map.pan(-90 * arrow[0], -90 * arrow[1]);
      return;
    }
    const act = {
      "/": () => searchBox.focus(),
      Escape: () => letGo(state, map),
      l: () => state.set({ tool: "lasso" }),
      v: () => state.set({ tool: "pan" }),
      "+": () => map.zoom(1.5),
      "=": () => map.zoom(1.5),
      "-": () => map.zoom(1 / 1.5),
      0: () => map.setView(null),
      d: () => state.set({ mode: MODES[(MODES.indexOf(state.mode) + 1) % 3] }),
      p: () => nextProjection(data, state),
      t: () => state.set({ theme: state.theme === "dark" ? "light" : "dark" }),
      "?": openAbout,
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

// One thing at a time: the lasso being drawn, the structure kept, the selection, the lasso tool.
function letGo(state, map) {
  if (map.cancelLasso()) return;
  if (state.focus >= 0) state.set({ focus: -1 });
  else if (state.selection) state.set({ selection: null });
  else state.set({ tool: "pan" });
}

function nextProjection(data, state) {
  const k = data.projections.findIndex((p) => p.name === state.projection);
  state.set({ projection: data.projections[(k + 1) % data.projections.length].name });
}

// The next structure in a direction: near, and not far off to the side.
function step([dx, dy], state, map, onFocus) {
  const { xy } = map.projection(),
    scale = map.view().scale,
    i0 = state.focus;
  let best = -1,
    least = Infinity;
  for (let i = 0; i < xy.length / 2; i++) {
    const x = (xy[2 * i] - xy[2 * i0]) * scale,
      y = (xy[2 * i0 + 1] - xy[2 * i + 1]) * scale;
    const along = x * dx + y * dy,
      across = Math.abs(x * dy) + Math.abs(y * dx);
    if (along < 2 || across > along || !map.visible(i)) continue;
    const cost = along + 2 * across;
    if (cost < least) {
      least = cost;
      best = i;
    }
  }
  if (best >= 0) onFocus(best);
}
