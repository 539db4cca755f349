// Gzip decompression (RFC 1951, 1952) for browsers without DecompressionStream.

const LENGTH = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
  6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_BITS = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

// Canonical Huffman table: how many codes of each length, and the symbols in the order of their codes.
function huffman(lengths) {
  const count = new Uint16Array(16),
    start = new Uint16Array(16),
    symbols = new Uint16Array(lengths.length);
  for (const length of lengths) count[length]++;
  count[0] = 0;
  for (let i = 1; i < 16; i++) start[i] = start[i - 1] + count[i - 1];
  lengths.forEach((length, symbol) => {
    if (length) symbols[start[length]++] = symbol;
  });
  return { count, symbols };
}

function bitReader(bytes, position) {
  let hold = 0,
    held = 0;
  const reader = {
    bits(n) {
      while (held < n) {
        hold |= bytes[position++] << held;
        held += 8;
      }
      const value = hold & ((1 << n) - 1);
      hold >>>= n;
      held -= n;
      return value;
    },
    symbol({ count, symbols }) {
      let code = 0,
        first = 0,
        index = 0;
      for (let length = 1; length < 16; length++) {
        code |= reader.bits(1);
        const n = count[length];
        if (code - first < n) return symbols[index + code - first];
        index += n;
        first = (first + n) << 1;
        code <<= 1;
      }
      throw new Error("damaged data: no such Huffman code");
    },
    stored() {
      hold = held = 0;
      const length = bytes[position] | (bytes[position + 1] << 8);
      position += 4 + length;
      return bytes.subarray(position - length, position);
    },
  };
  return reader;
}

function dynamicTables(reader) {
  const literals = reader.bits(5) + 257,
    distances = reader.bits(5) + 1,
    codes = reader.bits(4) + 4;
  const codeLengths = new Uint8Array(19);
  for (let i = 0; i < codes; i++) codeLengths[CODE_ORDER[i]] = reader.bits(3);
  const table = huffman(codeLengths),
    lengths = new Uint8Array(literals + distances);
  for (let i = 0; i < lengths.length;) {
    const symbol = reader.symbol(table);
    if (symbol < 16) {
      lengths[i++] = symbol;
      continue;
    }
    const value = symbol === 16 ? lengths[i - 1] : 0;
    const times =
      symbol === 16 ? 3 + reader.bits(2) : symbol === 17 ? 3 + reader.bits(3) : 11 + reader.bits(7);
    lengths.fill(value, i, (i += times));
  }
  return [huffman(lengths.subarray(0, literals)), huffman(lengths.subarray(literals))];
}

function fixedTables() {
  const lengths = new Uint8Array(288);
  lengths.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288);
  return [huffman(lengths), huffman(new Uint8Array(30).fill(5))];
}

function headerLength(bytes) {
  if (bytes[0] !== 31 || bytes[1] !== 139) throw new Error("damaged data: not gzip");
  const flags = bytes[3];
  let at = 10;
  if (flags & 4) at += 2 + (bytes[at] | (bytes[at + 1] << 8));
  for (const flag of [8, 16]) if (flags & flag) at = bytes.indexOf(0, at) + 1;
  return flags & 2 ? at + 2 : at;
}

/** Decompress one gzip member. */
export function gunzipPlain(bytes) {
  const end = bytes.length;
  const size =
    (bytes[end - 4] | (bytes[end - 3] << 8) | (bytes[end - 2] << 16) | (bytes[end - 1] << 24)) >>> 0;
  const out = new Uint8Array(size),
    reader = bitReader(bytes, headerLength(bytes));
  let at = 0,
    last = 0;
  while (!last) {
    last = reader.bits(1);
    const type = reader.bits(2);
    if (type === 0) {
      const stored = reader.stored();
      out.set(stored, at);
      at += stored.length;
      continue;
    }
    const [literal, distance] = type === 1 ? fixedTables() : dynamicTables(reader);
    for (let symbol; (symbol = reader.symbol(literal)) !== 256;) {
      if (symbol < 256) {
        out[at++] = symbol;
        continue;
      }
      const length = LENGTH[symbol - 257] + reader.bits(LENGTH_BITS[symbol - 257]);
      const code = reader.symbol(distance),
        back = DISTANCE[code] + reader.bits(DISTANCE_BITS[code]);
      for (let i = 0; i < length; i++, at++) out[at] = out[at - back];
    }
  }
  return out;
}
