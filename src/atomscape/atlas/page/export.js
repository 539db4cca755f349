// The selection as files: a table of values, a list of ids, the structures.

/** Save rows of the data in one of the forms of `writers`. */
export function saveRows(kind, rows, data) {
  const { write, type } = WRITERS[kind];
  save(new Blob(write(rows, data), { type }), `selection.${kind}`);
}

/** Hand a file to the reader of the page. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Table (RFC 4180): id, formula, dataset and every property; unknown values are empty. */
export function csv(rows, data) {
  const columns = [...data.columns.values()].filter((c) => c !== data.dataset);
  const head = [
    "id",
    "formula",
    "dataset",
    ...columns.map((c) => (c.unit ? `${c.name} (${c.unit})` : c.name)),
  ];
  const line = (i) => [
    data.ids[i],
    data.formula(i),
    data.datasetOf(i),
    ...columns.map((c) => plainValue(c, i)),
  ];
  return [
    head.map(quoted).join(",") + "\r\n",
    ...Array.from(rows, (i) => line(i).map(quoted).join(",") + "\r\n"),
  ];
}

/** JSON list of ids. */
export function json(rows, data) {
  return [
    JSON.stringify(
      Array.from(rows, (i) => data.ids[i]),
      null,
      1,
    ),
  ];
}

/** Extended XYZ of the rows whose structures are in the file, as ASE reads it. */
export function extxyz(rows, data) {
  return Array.from(rows)
    .filter((i) => data.structures.has(i))
    .map((i) => frame(i, data));
}

const WRITERS = {
  csv: { write: csv, type: "text/csv" },
  json: { write: json, type: "application/json" },
  extxyz: { write: extxyz, type: "text/plain" },
};

function plainValue(column, i) {
  if (column.kind === "category") return column.table[column.codes[i]];
  return Number.isFinite(column.values[i]) ? exactText(column.values, i) : "";
}

// Numbers kept in single precision are written with its digits: 0.1, not 0.10000000149.
function exactText(values, i) {
  return values instanceof Float32Array ? String(Number(values[i].toPrecision(8))) : String(values[i]);
}

function quoted(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function frame(i, data) {
  const { numbers, positions, cell, pbc } = data.structures.get(i);
  const info = [];
  if (cell) info.push(`Lattice="${cell.flat().join(" ")}"`);
  info.push(
    "Properties=species:S:1:pos:R:3",
    `id=${infoText(data.ids[i])}`,
    `dataset=${infoText(data.datasetOf(i))}`,
  );
  for (const column of data.columns.values()) {
    const text = column === data.dataset ? "" : plainValue(column, i);
    if (text !== "")
      info.push(`${column.name.replace(/[^\w-]/g, "_")}=${column.kind === "number" ? text : infoText(text)}`);
  }
  info.push(`pbc="${pbc.map((p) => (p ? "T" : "F")).join(" ")}"`);
  const place = (k) => Array.from(positions.subarray(3 * k, 3 * k + 3), (v) => v.toFixed(4)).join(" ");
  const atoms = Array.from(numbers, (z, k) => `${data.elements.symbols[z]} ${place(k)}`);
  return `${numbers.length}\n${info.join(" ")}\n${atoms.join("\n")}\n`;
}

function infoText(text) {
  const clean = text.replace(/[\r\n]+/g, " ");
  return /^[\w.:/+-]+$/.test(clean) ? clean : `"${clean.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
