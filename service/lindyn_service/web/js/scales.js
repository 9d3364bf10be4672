/**
 * Scales of axes: how values are spread over the length of a picture.
 * @typedef {"linear" | "log" | "cubic"} Scale `cubic`: by cubic roots, fine near 0 on both sides
 */

/** @type {Record<Scale, { forward: (value: number) => number, inverse: (place: number) => number }>} */
export const SCALES = {
  linear: { forward: (value) => value, inverse: (place) => place },
  log: { forward: Math.log10, inverse: (place) => 10 ** place },
  cubic: { forward: Math.cbrt, inverse: (place) => place ** 3 },
};

/**
 * Options of uPlot for a scale.
 * @param {Scale} scale
 */
export function ofPlot(scale) {
  if (scale !== "cubic") return { distr: scale === "log" ? 3 : 1 };
  const { forward, inverse } = SCALES.cubic;
  return { distr: 100, fwd: forward, bwd: inverse };
}

/**
 * Values with equal distances on a scale, both ends included.
 * @param {number} from
 * @param {number} to
 * @param {number} count
 * @param {Scale} scale
 * @returns {number[]}
 */
export function spread(from, to, count, scale) {
  if (count < 2 || from === to) return [from];
  const { forward, inverse } = SCALES[scale];
  const [first, last] = [forward(from), forward(to)];
  return Array.from({ length: count }, (_, i) => inverse(first + (i * (last - first)) / (count - 1)));
}
