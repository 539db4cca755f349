// Packed arrays: base64 → gzip → byte-unshuffled typed array, or text. The reverse of packing.py.
import { gunzipPlain } from "./inflate.js";

const TYPES = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** Bytes of a base64 string. */
export function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text),
    bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Decompress gzip bytes. */
export async function gunzip(bytes) {
  if (typeof DecompressionStream === "undefined") return gunzipPlain(bytes);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Undo the shuffle: all first bytes, all second bytes, … → numbers. */
export function unshuffle(bytes, dtype) {
  const Type = TYPES[dtype],
    size = Type.BYTES_PER_ELEMENT,
    n = bytes.length / size;
  if (size === 1) return new Type(bytes.buffer, bytes.byteOffset, n);
  const out = new Uint8Array(bytes.length);
  for (let b = 0; b < size; b++)
    for (let i = 0, from = b * n, to = b; i < n; i++, from++, to += size) out[to] = bytes[from];
  return new Type(out.buffer);
}

/** Read one blob of the page; its text is dropped from the document, so it can be read once. */
export async function unpack(id, dtype) {
  const node = document.getElementById(id),
    text = node.textContent;
  node.textContent = "";
  const bytes = await gunzip(fromBase64(text));
  if (dtype === "json") return JSON.parse(new TextDecoder().decode(bytes));
  if (dtype === "text") return new TextDecoder().decode(bytes);
  return unshuffle(bytes, dtype);
}
