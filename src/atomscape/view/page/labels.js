// Texts at places of the scene, as elements above the canvas, so that they are sharp and can be read.
import { el } from "./dom.js";
import { pick } from "./pick.js";

/**
 * Make the labels of layers; returns place(camera), which moves them to where they belong. Quiet ones hide
 * behind balls.
 */
export function makeLabels(box, layers) {
  const made = layers
    .flatMap((layer) => layer.labels)
    .map((label) => ({ ...label, node: el("span", { class: `label ${label.quiet ? "quiet" : "boxed"}` }, label.text) }));
  box.replaceChildren(...made.map((m) => m.node));
  return (camera) => {
    for (const { node, at, quiet } of made) {
      const p = camera.project(at);
      const before = quiet && pick(layers, camera, p.x, p.y);
      node.hidden = !p.front || (before && camera.project(before.at).v[2] > p.v[2]);
      node.style.transform = `translate(${p.x.toFixed(1)}px, ${p.y.toFixed(1)}px) translate(-50%, -50%)`;
    }
  };
}

/** Draw the labels into a 2D canvas as they stand on the page. */
export function drawLabels(context, box, ratio) {
  const outer = box.getBoundingClientRect();
  for (const node of box.children) {
    if (node.hidden) continue;
    const style = getComputedStyle(node),
      r = node.getBoundingClientRect();
    const [x, y, w, h] = [r.left - outer.left, r.top - outer.top, r.width, r.height].map((v) => v * ratio);
    if (node.classList.contains("boxed")) {
      context.beginPath();
      context.roundRect(x, y, w, h, h / 2);
      context.fillStyle = style.backgroundColor;
      context.strokeStyle = style.borderColor;
      context.lineWidth = ratio;
      context.fill();
      context.stroke();
    }
    context.fillStyle = style.color;
    context.font = `${style.fontStyle} ${style.fontWeight} ${parseFloat(style.fontSize) * ratio}px ${style.fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(node.textContent, x + w / 2, y + h / 2);
  }
}
