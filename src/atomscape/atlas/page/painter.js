// Structures drawn with Canvas2D: shaded spheres, two-coloured bonds, the cell; far parts paler.
import { add, subtract, times, turn } from "./vector.js";
import { css, mix } from "./colour.js";
import { fromHex } from "./hex.js";

const SPRITE = 64,
  sprites = new Map();
/** Radius of a bond in Å. */
export const BOND = 0.12;

/** Drawn radius of an atom in Å. */
export function ballRadius(z, radii) {
  return 0.16 + 0.3 * Math.min(radii[z], 1.6);
}

/** Colour of an element, a little softer than Jmol's: [r, g, b]. */
export function elementColour(z, elements) {
  return mix(fromHex(elements.colours[z] ?? "ff69b4"), [150, 152, 156], 0.2);
}

// Pixels per Å at which the whole scene fits.
function fitScale(scene, width, height) {
  return (0.5 * Math.min(width, height)) / (0.93 * scene.radius + 0.75);
}

/**
 * Paint a scene. `turned` is the rotation chosen by the viewer, `zoom` multiplies the size that just fits,
 * `theme` gives ground and ink as [r, g, b].
 */
export function paint(context, scene, elements, { width, height, turned, zoom = 1, theme, quick = false }) {
  const scale = zoom * fitScale(scene, width, height);
  const depth = scene.radius + 0.5,
    items = [];
  const project = (r) => {
    const [x, y, z] = turned ? turn(turned, r) : r;
    return [width / 2 + x * scale, height / 2 - y * scale, z];
  };
  const fade = (colour, z) =>
    css(mix(colour, theme.ground, 0.42 * Math.min(1, Math.max(0, 0.5 - z / (2 * depth)))));
  for (const edge of scene.edges) items.push(...edgePieces(edge, project));
  for (const atom of scene.atoms) items.push({ kind: "atom", z: atom.z, at: project(atom.at) });
  for (const bond of scene.bonds) items.push(...bondPieces(bond, project, elements));
  items.sort((a, b) => (a.depth ?? a.at[2]) - (b.depth ?? b.at[2]));
  context.lineCap = "round";
  for (const item of items) {
    if (item.kind === "edge")
      line(
        context,
        item.from,
        item.to,
        fade(theme.cell, item.depth),
        Math.max(0.8, Math.min(1.3, scale * 0.05)),
      );
    else if (item.kind === "bond") bond(context, item, scale, fade, theme, quick);
    else ball(context, item, scale, elements, theme, depth);
  }
}

/** Letters a, b, c at the ends of the cell's axes. */
export function paintLetters(context, scene, { width, height, turned, zoom = 1, theme }) {
  const scale = zoom * fitScale(scene, width, height);
  Object.assign(context, {
    fillStyle: css(theme.muted),
    font: "italic 13px Georgia, serif",
    textAlign: "center",
    textBaseline: "middle",
  });
  for (const { text, at } of scene.letters) {
    const [x, y] = turn(turned, at);
    context.fillText(text, width / 2 + x * scale, height / 2 - y * scale);
  }
}

function edgePieces({ from, to }, project) {
  const n = 6,
    step = times(subtract(to, from), 1 / n);
  return Array.from({ length: n }, (_, k) => {
    const a = project(add(from, times(step, k))),
      b = project(add(from, times(step, k + 1)));
    return { kind: "edge", from: a, to: b, depth: (a[2] + b[2]) / 2 };
  });
}

function bondPieces({ from, to, half, za, zb }, project, elements) {
  const a = project(from),
    c = project(to);
  if (half)
    return [
      { kind: "bond", from: a, to: c, colour: elementColour(za, elements), depth: (a[2] + c[2]) / 2 - 0.05 },
    ];
  const b = a.map((v, k) => (v + c[k]) / 2);
  return [
    [a, b, za],
    [b, c, zb],
  ].map(([p, q, z]) => ({
    kind: "bond",
    from: p,
    to: q,
    colour: elementColour(z, elements),
    depth: (p[2] + q[2]) / 2 - 0.05,
  }));
}

function bond(context, { from, to, colour, depth }, scale, fade, theme, quick) {
  const width = Math.max(1.4, 2 * BOND * scale);
  if (!quick)
    line(
      context,
      from,
      to,
      fade(mix(colour, theme.outline, 0.55), depth),
      width + Math.min(1.6, 0.35 * width),
      "butt",
    );
  line(context, from, to, fade(mix(colour, [120, 126, 134], 0.18), depth), width, "butt");
  if (width > 4)
    line(context, from, to, fade(mix(colour, [255, 255, 255], 0.35), depth), width * 0.3, "butt");
}

function line(context, from, to, colour, width, cap = "round") {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineCap = cap;
  context.beginPath();
  context.moveTo(from[0], from[1]);
  context.lineTo(to[0], to[1]);
  context.stroke();
}

function ball(context, { z, at }, scale, elements, theme, depth) {
  const r = ballRadius(z, elements.radii) * scale,
    far = Math.min(1, Math.max(0, 0.5 - at[2] / (2 * depth)));
  const image = sprite(elementColour(z, elements), theme, Math.round(far * 4));
  context.drawImage(image, at[0] - r, at[1] - r, 2 * r, 2 * r);
}

// A shaded ball as a small picture, made once per colour, ground and depth.
function sprite(colour, theme, far) {
  const key = `${colour} ${theme.ground} ${far}`;
  if (sprites.has(key)) return sprites.get(key);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SPRITE;
  const context = canvas.getContext("2d"),
    m = SPRITE / 2,
    r = m - 1.5;
  const shade = (c) => css(mix(c, theme.ground, 0.42 * (far / 4)));
  const gradient = context.createRadialGradient(m - r * 0.35, m - r * 0.4, r * 0.05, m, m, r);
  gradient.addColorStop(0, shade(mix(colour, [255, 255, 255], 0.75)));
  gradient.addColorStop(0.35, shade(mix(colour, [255, 255, 255], 0.12)));
  gradient.addColorStop(0.8, shade(mix(colour, [0, 0, 0], 0.16)));
  gradient.addColorStop(1, shade(mix(colour, [0, 0, 0], 0.38)));
  context.fillStyle = gradient;
  context.beginPath();
  context.arc(m, m, r, 0, 7);
  context.fill();
  context.strokeStyle = shade(mix(colour, theme.outline, 0.6));
  context.lineWidth = 2;
  context.stroke();
  sprites.set(key, canvas);
  return canvas;
}
