/** The range of λ for which balanced weights exist: λ > 0 needs hidden ≤ out, λ < 0 needs hidden ≤ in. */

export const MAX_SLIDER_LAMBDA = 50;

/**
 * The range of λ for some widths.
 * @param {number[]} dims in, hidden, out
 * @returns {{ low: number, high: number }}
 */
export function feasible(dims) {
  const [into, hidden, out] = dims;
  return { low: hidden <= into ? -Infinity : 0, high: hidden <= out ? Infinity : 0 };
}

/**
 * @param {number} lambda
 * @param {number[]} dims
 */
export function clamp(lambda, dims) {
  const { low, high } = feasible(dims);
  return Math.min(Math.max(lambda, low), high) + 0;
}

/**
 * A sentence about the range, with the inequality that bounds it.
 * @param {number[]} dims
 */
export function inWords(dims) {
  const { low, high } = feasible(dims);
  const [into, hidden, out] = dims;
  const above = `λ > 0 needs hidden ≤ out, here ${hidden} > ${out}`;
  const below = `λ < 0 needs hidden ≤ in, here ${hidden} > ${into}`;
  if (low < 0 && high > 0) return "Every λ is feasible for these widths.";
  if (high > 0) return `Feasible: λ ≥ 0. ${below}.`;
  if (low < 0) return `Feasible: λ ≤ 0. ${above}.`;
  return `Feasible: λ = 0 only. ${above}; ${below}.`;
}

/**
 * λ at a position of the slider, from −1 to 1: fine near 0, coarse far from it.
 * @param {number} position
 */
export function fromSlider(position) {
  return Number((MAX_SLIDER_LAMBDA * position ** 3).toPrecision(3));
}

/**
 * The position of the slider for a λ.
 * @param {number} lambda
 */
export function toSlider(lambda) {
  return Math.max(-1, Math.min(1, Math.cbrt(lambda / MAX_SLIDER_LAMBDA)));
}
