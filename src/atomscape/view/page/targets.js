// The textures of all passes, for one size of the canvas.
import { makeTarget, makeTexture } from "./program.js";

/** Textures and frame buffers of `width` × `height` samples; the shade is kept at half of that. */
export function makeTargets(gl, width, height) {
  const half = [Math.max(1, width >> 1), Math.max(1, height >> 1)];
  const colours = makeTexture(gl, width, height),
    normals = makeTexture(gl, width, height),
    depths = makeTexture(gl, width, height, true),
    shades = makeTexture(gl, ...half),
    whole = makeTexture(gl, width, height);
  const buffers = {
    solid: makeTarget(gl, [colours, normals], depths),
    shade: makeTarget(gl, [shades]),
    compose: makeTarget(gl, [whole]),
    glass: makeTarget(gl, [whole], depths),
  };
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  const textures = { colours, normals, depths, shades, whole };
  return {
    ...buffers,
    textures,
    width,
    height,
    half,
    drop: () => {
      Object.values(textures).forEach((t) => gl.deleteTexture(t));
      Object.values(buffers).forEach((b) => gl.deleteFramebuffer(b));
    },
  };
}
