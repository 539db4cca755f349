// Colours written in hexadecimal digits.

/** "3b6fd4" → [59, 111, 212]. */
export function fromHex(hex) {
  return [0, 2, 4].map((i) => parseInt(hex.replace("#", "").slice(i, i + 2), 16));
}
