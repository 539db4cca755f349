// WebGL 2 in small pieces: programs, arrays of vertices, textures to draw into.

/** A compiled program: {use(), set(name, …values)}. */
export function makeProgram(gl, { vertex, fragment }) {
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  const places = new Map();
  const place = (name) => {
    if (!places.has(name)) places.set(name, gl.getUniformLocation(program, name));
    return places.get(name);
  };
  return {
    use: () => gl.useProgram(program),
    set: (name, ...v) => gl[`uniform${v.length}f`](place(name), ...v),
    turn: (name, m) => gl.uniformMatrix3fv(place(name), true, m),
    texture: (name, unit, texture) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.uniform1i(place(name), unit);
    },
  };
}

/**
 * A vertex array. `parts` lists [place, array, size, {each, normal}]: numbers per vertex, `each` for one value
 * per instance, `normal` for integers that stand for 0 … 1 or −1 … 1.
 */
export function makeArrays(gl, parts) {
  const array = gl.createVertexArray(),
    buffers = [];
  const types = new Map([
    [Float32Array, gl.FLOAT],
    [Uint8Array, gl.UNSIGNED_BYTE],
    [Int8Array, gl.BYTE],
  ]);
  gl.bindVertexArray(array);
  for (const [at, values, size, { each = false, normal = false } = {}] of parts) {
    const buffer = gl.createBuffer();
    buffers.push(buffer);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, types.get(values.constructor), normal, 0, 0);
    gl.vertexAttribDivisor(at, each ? 1 : 0);
  }
  gl.bindVertexArray(null);
  return {
    array,
    drop: () => {
      buffers.forEach((b) => gl.deleteBuffer(b));
      gl.deleteVertexArray(array);
    },
  };
}

/** A texture of a size, to be drawn into. */
export function makeTexture(gl, width, height, depth = false) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, 1, depth ? gl.DEPTH_COMPONENT24 : gl.RGBA8, width, height);
  for (const [name, value] of [
    [gl.TEXTURE_MIN_FILTER, gl.NEAREST],
    [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
    [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
    [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
  ])
    gl.texParameteri(gl.TEXTURE_2D, name, value);
  return texture;
}

/** A frame buffer that draws into textures of colour, and of depth if given. */
export function makeTarget(gl, colours, depth = null) {
  const target = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, target);
  colours.forEach((texture, k) =>
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + k, gl.TEXTURE_2D, texture, 0),
  );
  if (depth) gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, depth, 0);
  gl.drawBuffers(colours.map((_, k) => gl.COLOR_ATTACHMENT0 + k));
  return target;
}
