// One card per property: the error on test, large, and a bar beside those of the baselines.
import { el } from "./dom.js";
import { short } from "./ticks.js";

/** Cards of the last part that has errors: test, else val. */
export function scoreCards(scores) {
  const part = ["test", "val", "train"].find((p) => scores.some((s) => s.part === p)),
    many = new Set(scores.map((s) => s.dataset)).size > 1;
  const shown = scores.filter((s) => s.part === part),
    perAtom = new Set(shown.filter((s) => s.unit.endsWith("/atom")).map((s) => `${s.dataset} ${s.property}`));
  return el(
    "div",
    { class: "grid scores" },
    ...shown
      .filter((s) => s.unit.endsWith("/atom") || !perAtom.has(`${s.dataset} ${s.property}`))
      .map((s) => card(s, many, scores)),
  );
}

function card(s, many, scores) {
  const rows = [
    ["this model", s.mae, true],
    ["composition", s.composition, false],
    ["mean", s.mean, false],
  ].filter(([, v]) => v !== null && v !== undefined);
  const most = Math.max(...rows.map(([, v]) => v)) || 1;
  const train = scores.find((t) => t.part === "train" && ["dataset", "property", "unit"].every((k) => t[k] === s[k]));
  return el(
    "div",
    { class: "card pad score" },
    el("div", { class: "name" }, el("span", {}, s.property.replaceAll("_", " ")), el("span", {}, many ? s.dataset : "")),
    el("div", { class: "value" }, short(s.mae), el("small", {}, s.unit)),
    el(
      "div",
      { class: "beside" },
      `MAE of ${s.count.toLocaleString("en")}; RMSE ${short(s.rmse)}${train ? `; train ${short(train.mae)}` : ""}`,
    ),
    el(
      "div",
      { class: "rail" },
      ...rows.flatMap(([name, value, own]) => [
        el("span", {}, name),
        el("i", { class: own ? "own" : "", style: { width: `${(100 * value) / most}%` } }),
        el("span", { class: "n" }, short(value)),
      ]),
    ),
  );
}
