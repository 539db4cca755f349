// GLSL of the passes. View frame: x right, y up, z to the viewer; the eye at the origin.
//
// First pass: opaque things into colour, normal and depth. Balls and sticks are drawn as rays meet them, so
// they are round at every size. Second pass: shade from what is near (ambient occlusion). Third: what is
// seen through, sorted from far to near.

const HEAD = `#version 300 es
precision highp float;
precision highp int;
uniform mat3 turn;
uniform vec3 move;
uniform vec4 lens; // 1/tan of half the angle in x and y, near, far
uniform vec2 kind; // 1 for parallel rays; distance of the middle
vec3 view(vec3 at) { return turn * at + move; }
vec4 project(vec3 v) {
  float w = kind.x > 0.5 ? kind.y : -v.z;
  float n = lens.z, f = lens.w;
  float z = kind.x > 0.5 ? (2.0 * (-v.z - n) / (f - n) - 1.0) * w : (f + n) / (f - n) * -v.z - 2.0 * f * n / (f - n);
  return vec4(v.x * lens.x, v.y * lens.y, z, w);
}
float depthOf(vec3 v) { vec4 p = project(v); return 0.5 * p.z / p.w + 0.5; }
vec3 eye(vec3 v) { return kind.x > 0.5 ? vec3(v.xy, 0.0) : vec3(0.0); }
vec3 ray(vec3 v) { return kind.x > 0.5 ? vec3(0.0, 0.0, -1.0) : normalize(v); }
`;

const LIGHT = `
const vec3 LIGHT = normalize(vec3(-0.42, 0.58, 0.70));
vec3 lit(vec3 colour, vec3 n, vec3 toEye, float gloss) {
  float wrapped = pow(clamp(0.5 + 0.5 * dot(n, LIGHT), 0.0, 1.0), 1.4);
  float shine = gloss * pow(max(dot(n, normalize(LIGHT + toEye)), 0.0), 42.0);
  float rim = 1.0 - 0.2 * pow(clamp(1.0 - dot(n, toEye), 0.0, 1.0), 2.0);
  return mix(colour * (0.42 + 0.7 * wrapped) * rim, vec3(1.0), shine);
}
`;

const OUT = `
layout(location = 0) out vec4 colourOut;
layout(location = 1) out vec4 normalOut;
void put(vec3 colour, vec3 n, float occluded) {
  colourOut = vec4(colour, 1.0);
  normalOut = vec4(0.5 + 0.5 * n, occluded);
}
`;

export const BALL = {
  vertex: `${HEAD}
layout(location = 0) in vec2 corner;
layout(location = 1) in vec4 ball;
layout(location = 2) in vec4 tint; // alpha 0: a ring
out vec3 place;
flat out vec4 sphere;
flat out vec4 paint;
void main() {
  vec3 c = view(ball.xyz);
  sphere = vec4(c, ball.w);
  paint = tint;
  place = c + vec3(corner * ball.w * 1.25, 0.0);
  gl_Position = project(place);
}`,
  fragment: `${HEAD}${LIGHT}${OUT}
in vec3 place;
flat in vec4 sphere;
flat in vec4 paint;
void main() {
  float r = sphere.w;
  if (paint.a < 0.5) {
    float d = length(place.xy - sphere.xy) / r;
    if (d > 1.0 || d < 0.82) discard;
    put(paint.rgb, vec3(0.0, 0.0, 1.0), 0.0);
    gl_FragDepth = depthOf(place);
    return;
  }
  vec3 o = eye(place), d = ray(place), c = o - sphere.xyz;
  float b = dot(c, d), q = b * b - dot(c, c) + r * r;
  if (q < 0.0) discard;
  vec3 hit = o + d * (-b - sqrt(q)), n = (hit - sphere.xyz) / r;
  put(lit(paint.rgb, n, -d, 0.5), n, 1.0);
  gl_FragDepth = depthOf(hit);
}`,
};

export const STICK = {
  vertex: `${HEAD}
layout(location = 0) in vec2 corner;
layout(location = 1) in vec3 start;
layout(location = 2) in vec3 end;
layout(location = 3) in float radius;
layout(location = 4) in vec4 tint;
out vec3 place;
flat out vec3 a;
flat out vec3 b;
flat out float r;
flat out vec3 paint;
void main() {
  a = view(start);
  b = view(end);
  r = radius;
  paint = tint.rgb;
  vec3 d = ray(0.5 * (a + b)), along = b - a;
  vec3 side = cross(along, d);
  side = dot(side, side) > 1e-10 ? normalize(side) : vec3(1.0, 0.0, 0.0);
  vec3 up = cross(d, side);
  float s = dot(up, along) < 0.0 ? -1.0 : 1.0;
  vec3 base = corner.y < 0.0 ? a : b;
  place = base - d * r + r * 1.5 * (corner.x * side + s * corner.y * up);
  gl_Position = project(place);
}`,
  fragment: `${HEAD}${LIGHT}${OUT}
in vec3 place;
flat in vec3 a;
flat in vec3 b;
flat in float r;
flat in vec3 paint;
void main() {
  vec3 o = eye(place), d = ray(place), ba = b - a, oa = o - a;
  float baba = dot(ba, ba), bard = dot(ba, d), baoa = dot(ba, oa), rdoa = dot(d, oa), oaoa = dot(oa, oa);
  float A = baba - bard * bard, B = baba * rdoa - baoa * bard;
  float C = baba * oaoa - baoa * baoa - r * r * baba, h = B * B - A * C;
  float t = -1.0;
  vec3 n = vec3(0.0, 0.0, 1.0);
  if (h >= 0.0) {
    float side = A > 1e-9 ? (-B - sqrt(h)) / A : 0.0, y = baoa + side * bard;
    if (A > 1e-9 && y > 0.0 && y < baba) {
      t = side;
      n = (oa + d * t - ba * y / baba) / r;
    } else {
      vec3 oc = y <= 0.0 ? oa : o - b;
      float k = dot(d, oc), q = k * k - dot(oc, oc) + r * r;
      if (q < 0.0) discard;
      t = -k - sqrt(q);
      n = (oc + d * t) / r;
    }
  }
  if (t < 0.0) discard;
  put(lit(paint, n, -d, 0.3), n, r > 0.06 ? 1.0 : 0.5);
  gl_FragDepth = depthOf(o + d * t);
}`,
};

const MESH_VERTEX = `${HEAD}
layout(location = 0) in vec3 at;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec4 tint;
out vec3 place;
out vec3 n;
out vec4 paint;
void main() {
  place = view(at);
  n = turn * normal;
  paint = tint;
  gl_Position = project(place);
}`;

export const MESH = {
  vertex: MESH_VERTEX,
  fragment: `${HEAD}${LIGHT}${OUT}
in vec3 place;
in vec3 n;
in vec4 paint;
void main() {
  vec3 d = ray(place), m = normalize(n);
  m = dot(m, d) > 0.0 ? -m : m;
  put(lit(paint.rgb, m, -d, 0.45), m, 1.0);
  gl_FragDepth = gl_FragCoord.z;
}`,
};

// Glass: thicker, and so less clear, towards the rim. Colours are multiplied by their share.
export const GLASS = {
  vertex: MESH_VERTEX,
  fragment: `${HEAD}${LIGHT}
uniform float clear;
uniform vec4 air; // ground, and how much of it is in the farthest
uniform float reach;
in vec3 place;
in vec3 n;
in vec4 paint;
layout(location = 0) out vec4 colourOut;
void main() {
  vec3 d = ray(place), m = normalize(n);
  m = dot(m, d) > 0.0 ? -m : m;
  float rim = pow(1.0 - abs(dot(m, d)), 2.0);
  float a = clamp(paint.a * clear * (0.8 + 1.1 * rim), 0.0, 1.0);
  vec3 c = lit(paint.rgb, m, -d, 0.0);
  float far = clamp(0.5 + (-place.z - kind.y) / (2.0 * reach), 0.0, 1.0);
  c = mix(c, air.rgb, air.a * pow(far, 1.3));
  float shine = 0.5 * pow(max(dot(m, normalize(LIGHT - d)), 0.0), 60.0);
  colourOut = vec4(c * a + shine, a + shine * (1.0 - a));
}`,
};

const SCREEN_VERTEX = `#version 300 es
layout(location = 0) in vec2 corner;
out vec2 uv;
void main() { uv = 0.5 + 0.5 * corner; gl_Position = vec4(corner, 0.0, 1.0); }`;

// How much of the sky each point sees: points on a spiral around it, at random turns, compared in depth.
export const SHADE = {
  vertex: SCREEN_VERTEX,
  fragment: `${HEAD}
uniform sampler2D depths;
uniform sampler2D normals;
in vec2 uv;
out vec4 shadeOut;
vec3 placeAt(vec2 p) {
  float z = texture(depths, p).r, n = lens.z, f = lens.w;
  float deep = kind.x > 0.5 ? mix(n, f, z) : n * f / (f - z * (f - n));
  float w = kind.x > 0.5 ? kind.y : deep;
  return vec3((2.0 * p - 1.0) * w / lens.xy, -deep);
}
void main() {
  float here = texture(depths, uv).r;
  if (here >= 1.0) { shadeOut = vec4(1.0); return; }
  vec3 p = placeAt(uv), n = normalize(texture(normals, uv).xyz * 2.0 - 1.0);
  float w = kind.x > 0.5 ? kind.y : -p.z;
  float phase = 6.2832 * fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715))));
  float blocked = 0.0;
  const int N = 14;
  for (int i = 0; i < N; i++) {
    float k = (float(i) + 0.5) / float(N), angle = phase + 14.0 * k, size = 1.5 * k;
    vec3 v = placeAt(uv + size * vec2(cos(angle), sin(angle)) * lens.xy / w * 0.5) - p;
    float vv = dot(v, v), fade = max(0.0, 1.0 - vv / 3.2);
    blocked += fade * max(0.0, dot(v, n) - 0.03) / (sqrt(vv) + 0.05);
  }
  shadeOut = vec4(vec3(clamp(1.0 - 1.8 * blocked / float(N), 0.0, 1.0)), 1.0);
}`,
};

// Colour, shade, air, and a thin dark line where something near stands before something far.
export const COMPOSE = {
  vertex: SCREEN_VERTEX,
  fragment: `${HEAD}
uniform sampler2D colours;
uniform sampler2D depths;
uniform sampler2D normals;
uniform sampler2D shades;
uniform vec4 air;
uniform vec3 outline;
uniform float reach;
uniform float shaded;
in vec2 uv;
out vec4 colourOut;
float step01(float open) { return open > 0.25 ? 1.0 : 0.0; }
float deep(vec2 p) {
  float z = texture(depths, p).r, n = lens.z, f = lens.w;
  return kind.x > 0.5 ? mix(n, f, z) : n * f / (f - z * (f - n));
}
void main() {
  vec2 size = vec2(textureSize(depths, 0)), step = 1.0 / size;
  float z = deep(uv);
  vec4 c = texture(colours, uv);
  float edge = 0.0;
  for (int i = 0; i < 4; i++) {
    vec2 o = vec2(i == 0 ? 1 : i == 1 ? -1 : 0, i == 2 ? 1 : i == 3 ? -1 : 0) * step * 1.6;
    edge += smoothstep(0.22, 0.7, z - deep(uv + o));
  }
  if (texture(depths, uv).r >= 1.0) {
    // The line lies outside of what it goes around.
    float a = 0.5 * min(edge, 1.0);
    colourOut = vec4(outline * a, a);
    return;
  }
  float shade = 1.0;
  if (shaded > 0.5) {
    vec2 s = 1.0 / vec2(textureSize(shades, 0));
    float sum = 0.0, weight = 0.0;
    for (int i = -2; i < 2; i++) for (int j = -2; j < 2; j++) {
      vec2 q = uv + (vec2(i, j) + 0.5) * s;
      float k = abs(deep(q) - z) < 0.25 ? 1.0 : 0.02;
      sum += k * texture(shades, q).r;
      weight += k;
    }
    shade = sum / weight;
  }
  // 0: a ring, as flat as paper; 1/2: a thin line, which nothing shades; 1: everything else.
  float open = texture(normals, uv).a;
  vec3 rgb = c.rgb * (open > 0.75 ? mix(0.3, 1.0, shade) : 1.0);
  rgb = mix(rgb, outline, open > 0.75 ? 0.4 * min(edge, 1.0) : 0.0);
  float far = clamp(0.5 + (z - kind.y) / (2.0 * reach), 0.0, 1.0);
  colourOut = vec4(mix(rgb, air.rgb, air.a * pow(far, 1.3) * step01(open)), 1.0);
}`,
};
