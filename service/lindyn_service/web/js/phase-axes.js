/** The axes of a phase diagram: λ, fine near 0, and the scale of the initial weights, in equal ratios. */

import { clamp } from "./lambda-range.js";
import { spread } from "./scales.js";
import { DEFAULTS } from "./state.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {{ lambdaFrom: number, lambdaTo: number, columns: number, scaleFrom: number, scaleTo: number, rows: number }} Grid */

export const MAX_COLUMNS = 41;
export const MAX_ROWS = 31;
const DIGITS = 4;
const ROUNDING = 1e-9; // λ that is 0 but for rounding, relative to the largest

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
  return {
    lambdas: lambdasBetween(lambdaFrom, lambdaTo, columns),
    scales: distinct(spread(scaleFrom, scaleTo, rows, "log")),
  };
}

/**
 * Values of λ with equal distances on the slider; those between the ends have few digits.
 * @param {number} from
 * @param {number} to
 * @param {number} count
 */
export function lambdasBetween(from, to, count) {
  const negligible = ROUNDING * Math.max(Math.abs(from), Math.abs(to));
  const values = spread(from, to, count, "cubic").map((value) => (Math.abs(value) < negligible ? 0 : rounded(value)));
  values[0] = from;
  if (values.length > 1) values[values.length - 1] = to;
  return [...new Set(values)];
}

/** Rounded values, each once. @param {number[]} values */
function distinct(values) {
  return [...new Set(values.map(rounded))];
}

/** @param {number} value */
function rounded(value) {
  return Number(value.toPrecision(DIGITS));
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
