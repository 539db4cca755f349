// The map: three canvases over one another (points, axes, overlay), kept in step with the state.
import { MARGIN, drawAxes } from "./axes.js";
import { pixelTable } from "./colouring.js";
import { el, sharpContext } from "./dom.js";
import { Gestures } from "./gestures.js";
import { glide } from "./glide.js";
import { combine, lassoMask } from "./lasso.js";
import { arrange, gather, shuffled } from "./layers.js";
import { drawOverlay } from "./overlay.js";
import { pick } from "./pick.js";
import { drawPlot, pointRadius } from "./plot.js";
import { makeSurface, show } from "./raster.js";
import { boundsOf, fitView, panBy, toMap, toScreen, zoomAt } from "./view.js";

const REST = 130; // ms without movement until the picture is drawn in full
const REACH = 9; // CSS pixels around the cursor in which a point is found

/** The map in `box`. `theme()` and `colouring()` give what is in force, `onView` hears of a new view. */
export class PointMap {
  constructor(box, { data, state, theme, colouring, onView }) {
    Object.assign(this, { box, data, state, theme, colouring, onView });
    Object.assign(this, { width: 1, height: 1, ratio: 1, drawMs: 0, lasso: null, polygon: null });
    [this.points, this.frame, this.overlay] = ["points", "frame", "overlay"].map((name) =>
      el("canvas", { class: name }),
    );
    this.overlay.tabIndex = 0;
    box.append(this.points, this.frame, this.overlay);
    this.base = shuffled(data.n);
    this.views = new Map();
    this.bounds = new Map();
    this.layer = this.surface = this.stopGlide = null;
    this.moving = false;
    this.wanted = "";
    this.gestures = this.listenToPointers();
    state.on(["hover", "focus"], () => this.ask("overlay"));
    state.on(["mode", "size"], () => this.ask("points"));
    state.on(["colour", "scale", "palette", "hidden", "selection", "hits", "theme"], () => this.renew());
    state.on(["projection"], () => this.changeProjection());
    this.shown = this.projection();
    new ResizeObserver(() => this.resize()).observe(box);
  }

  // Where we look.

  projection() {
    return this.data.projections.find((p) => p.name === this.state.projection);
  }

  fitted(projection = this.projection()) {
    if (!this.bounds.has(projection.name)) this.bounds.set(projection.name, boundsOf(projection.xy));
    return fitView(this.bounds.get(projection.name), this.width, this.height);
  }

  view(projection = this.projection()) {
    return this.views.get(projection.name) ?? this.fitted(projection);
  }

  /** Look elsewhere; null shows all points. */
  setView(view) {
    if (view) this.views.set(this.state.projection, view);
    else this.views.delete(this.state.projection);
    this.moving = true;
    this.settleLater();
    this.ask("points");
    this.onView();
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const { scale } = this.fitted();
    this.setView(zoomAt(this.view(), this.width, this.height, x, y, factor, [scale * 0.25, scale * 4000]));
  }

  pan(dx, dy) {
    this.setView(panBy(this.view(), dx, dy));
  }

  /** Show the given rows with some room around. */
  zoomTo(rows) {
    const { xy } = this.projection(),
      chosen = new Float32Array(2 * rows.length);
    rows.forEach((i, k) => chosen.set([xy[2 * i], xy[2 * i + 1]], 2 * k));
    const view = fitView(boundsOf(chosen), this.width, this.height, Math.min(this.width, this.height) * 0.2);
    this.setView({ ...view, scale: Math.min(view.scale, 40 * this.fitted().scale) });
  }

  /** Bring a point into sight, moving the view no further than needed. */
  reveal(i) {
    const [x, y] = this.place(i),
      edge = 40;
    const over = (v, most) => (v < edge ? edge - v : v > most - edge ? most - edge - v : 0);
    const dx = over(x, this.width),
      dy = over(y, this.height);
    if (dx || dy) this.pan(dx, dy);
  }

  /** CSS pixels of a point in the plot. */
  place(i) {
    const { xy } = this.projection();
    return toScreen(this.view(), this.width, this.height, xy[2 * i], xy[2 * i + 1]);
  }

  /** Map units of a place in the plot. */
  toMap(x, y) {
    return toMap(this.view(), this.width, this.height, x, y);
  }

  // What is drawn.

  visible(i) {
    return !this.state.hidden[this.data.dataset.codes[i]];
  }

  radius() {
    const magnification = this.view().scale / this.fitted().scale;
    return pointRadius(this.currentLayer().n, this.width, this.height, magnification, this.state.size);
  }

  currentLayer() {
    const { state, data } = this;
    const { numbers, low } = this.colouring(),
      chosen = state.hits ?? state.selection;
    this.layer ??= gather(
      arrange(this.base, numbers, low, data.dataset.codes, state.hidden, chosen),
      this.projection().xy,
    );
    return this.layer;
  }

  /** All that drawPlot needs. */
  picture() {
    const { width, height, ratio, moving } = this,
      { table } = this.colouring(),
      theme = this.theme();
    return {
      layer: this.currentLayer(),
      view: this.view(),
      width,
      height,
      ratio,
      table,
      colours: pixelTable(table, theme),
      mode: this.state.mode,
      radius: this.radius(),
      moving,
      theme,
    };
  }

  renew() {
    this.layer = null;
    this.ask("points");
  }

  ask(what) {
    if (!this.wanted) requestAnimationFrame(() => this.draw());
    if (this.wanted !== "points") this.wanted = what;
  }

  draw() {
    const what = this.wanted;
    this.wanted = "";
    if (!this.surface || this.stopGlide) return;
    if (what === "points") {
      const start = performance.now(),
        draft = drawPlot(this.surface, this.picture());
      show(this.surface, this.points.getContext("2d"));
      this.drawMs = performance.now() - start;
      if (draft) this.settleLater();
      this.drawFrame();
    }
    this.drawOverlay();
  }

  settleLater() {
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.moving = false;
      this.ask("points");
    }, REST);
  }

  drawFrame() {
    const context = sharpContext(this.frame, this.box.clientWidth, this.box.clientHeight, this.ratio);
    drawAxes(context, {
      left: MARGIN.left,
      top: MARGIN.top,
      width: this.width,
      height: this.height,
      view: this.view(),
      labels: this.projection().axes,
      theme: this.theme(),
    });
  }

  drawOverlay() {
    const context = this.overlay.getContext("2d"),
      { hover, focus } = this.state,
      around = Math.max(4.5, this.radius() + 2);
    const ring = (i, strong) => {
      const [x, y] = this.place(i);
      return { x, y, radius: around + (strong ? 2.5 : 1), strong };
    };
    const rings = [
      ...(hover >= 0 && hover !== focus ? [ring(hover, false)] : []),
      ...(focus >= 0 ? [ring(focus, true)] : []),
    ];
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    drawOverlay(context, this.width, this.height, { rings, polygon: null, ...this.lasso }, this.theme());
  }

  resize() {
    const { box, points, overlay } = this;
    this.ratio = window.devicePixelRatio || 1;
    this.width = Math.max(60, box.clientWidth - MARGIN.left - MARGIN.right);
    this.height = Math.max(60, box.clientHeight - MARGIN.top - MARGIN.bottom);
    for (const canvas of [points, overlay]) {
      sharpContext(canvas, this.width, this.height, this.ratio);
      canvas.style.left = `${MARGIN.left}px`;
      canvas.style.top = `${MARGIN.top}px`;
    }
    this.surface = makeSurface(points.width, points.height);
    this.wanted = "points";
    this.draw();
  }

  changeProjection() {
    const { width, height } = this,
      old = this.shown,
      now = this.projection();
    const from = { xy: old.xy, view: this.view(old) },
      to = { xy: now.xy, view: this.view(now) };
    this.shown = now;
    this.layer = null;
    this.stopGlide?.();
    this.stopGlide = null;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!calm && this.surface) this.glideBetween(from, to, width, height);
    else this.ask("points");
  }

  glideBetween(from, to, width, height) {
    const picture = {
      ...this.picture(),
      moving: true,
      mode: this.state.mode === "density" ? "density" : "points",
    };
    this.overlay.getContext("2d").clearRect(0, 0, width, height);
    this.stopGlide = glide(
      picture.layer,
      from,
      to,
      width,
      height,
      (layer) => {
        drawPlot(this.surface, { ...picture, layer }, true);
        show(this.surface, this.points.getContext("2d"));
      },
      () => {
        this.stopGlide = null;
        this.ask("points");
      },
    );
  }

  // What pointers do.

  /** Nearest visible point around a place in the plot, or −1. */
  pick(x, y) {
    if (!this.surface || this.stopGlide) return -1;
    const { ratio } = this,
      reach = Math.max(REACH, this.radius() + 2) * ratio;
    return pick(this.surface, x * ratio, y * ratio, reach, (i) => this.place(i).map((v) => v * ratio));
  }

  listenToPointers() {
    const { state } = this;
    return new Gestures(this.overlay, () => state.tool, {
      pan: (dx, dy) => this.pan(dx, dy),
      zoom: (x, y, factor) => this.zoom(factor, x, y),
      hover: (x, y) => state.set({ hover: this.pick(x, y), cursor: [x, y] }),
      leave: () => state.set({ hover: -1 }),
      click: (x, y) => state.set({ focus: this.pick(x, y) }),
      rest: () => this.settleLater(),
      lasso: (polygon, how, done) => {
        this.lasso = done ? null : { polygon, how };
        this.ask("overlay");
        if (done && polygon && polygon.length >= 6) this.choose(polygon, how);
      },
    });
  }

  /** Stop drawing a lasso; returns whether there was one. */
  cancelLasso() {
    const drawing = this.lasso !== null;
    this.gestures.cancel();
    return drawing;
  }

  /** Select the points inside a polygon of CSS pixels. */
  choose(pixels, how) {
    const polygon = Float64Array.from(pixels);
    for (let k = 0; k < polygon.length; k += 2) polygon.set(this.toMap(pixels[k], pixels[k + 1]), k);
    this.polygon = polygon;
    const mask = combine(
      this.state.selection,
      lassoMask(polygon, this.projection().xy, (i) => this.visible(i)),
      how,
    );
    this.state.set({ selection: mask?.some(Boolean) ? mask : null, hits: null });
  }
}
