/** The axes of a phase diagram: λ, fine near 0, and the scale of the initial weights, in equal ratios. */

import { clamp } from "./lambda-range.js";
import { DEFAULTS } from "./state.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {{ lambdaFrom: number, lambdaTo: number, columns: number, scaleFrom: number, scaleTo: number, rows: number }} Grid */

export const MAX_COLUMNS = 41;
export const MAX_ROWS = 31;
const DIGITS = 4;

/**
 * The grid of a state, within what is feasible and can be drawn, whatever a link says.
 * @param {State} state
 * @returns {Grid}
 */
export function gridOf({ phaseGrid, dims }) {
  const valid = phaseGrid.length === DEFAULTS.phaseGrid.length && phaseGrid[0] <= phaseGrid[1];
  const [from, to, columns, scaleFrom, scaleTo, rows] = valid ? phaseGrid : DEFAULTS.phaseGrid;
  const positive = scaleFrom > 0 && scaleTo >= scaleFrom;
  return {
    lambdaFrom: clamp(from, dims),
    lambdaTo: clamp(to, dims),
    columns: within(columns, MAX_COLUMNS),
    scaleFrom: positive ? scaleFrom : DEFAULTS.phaseGrid[3],
    scaleTo: positive ? scaleTo : DEFAULTS.phaseGrid[4],
    rows: within(rows, MAX_ROWS),
  };
}

/** @param {number} value @param {number} maximum */
function within(value, maximum) {
  return Math.max(1, Math.min(maximum, Math.round(value)));
}

/**
 * Values of λ, equally spaced on the slider, and of the scale, in equal ratios; both ascend.
 * @param {State} state
 */
export function axesOf(state) {
  const { lambdaFrom, lambdaTo, columns, scaleFrom, scaleTo, rows } = gridOf(state);
  const largest = Math.max(Math.abs(lambdaFrom), Math.abs(lambdaTo));
  const lambdas = spread(Math.cbrt(lambdaFrom), Math.cbrt(lambdaTo), columns).map((root) =>
    Math.abs(root) ** 3 < 1e-9 * largest ? 0 : root ** 3,
  );
  const scales = spread(Math.log(scaleFrom), Math.log(scaleTo), rows).map(Math.exp);
  return { lambdas: distinct(lambdas), scales: distinct(scales) };
}

/** @param {number} from @param {number} to @param {number} count */
function spread(from, to, count) {
  if (count < 2 || from === to) return [from];
  return Array.from({ length: count }, (_, i) => from + (i * (to - from)) / (count - 1));
}

/** Rounded values, each once. @param {number[]} values */
function distinct(values) {
  return [...new Set(values.map((value) => Number(value.toPrecision(DIGITS))))];
}

/**
 * The index of the entry next to a value; −1 if the value is outside the list.
 * @param {number[]} ascending
 * @param {number} value
 */
export function indexNear(ascending, value) {
  const last = ascending.length - 1;
  if (value < ascending[0] || value > ascending[last]) return -1;
  return ascending.reduce(
    (best, each, i) => (Math.abs(each - value) < Math.abs(ascending[best] - value) ? i : best),
    0,
  );
}
