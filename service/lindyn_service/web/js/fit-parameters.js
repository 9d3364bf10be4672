/** The numbers that a fit may estimate, with their bounds. */

import { feasible } from "./lambda-range.js";
import { DEFAULTS } from "./state.js";

/** @typedef {import("./state.js").State} State */
/**
 * `index` is that of the lower bound in the bounds of the state; `network` the kind that has the number, null for all.
 * @typedef {{
 *   name: "lambda" | "scale" | "gain" | "tau", label: string, path: string, network: string | null, index: number,
 * }} Parameter
 */

/** @type {Parameter[]} */
export const PARAMETERS = [
  { name: "lambda", label: "λ", path: "network.lambda", network: "balanced", index: 0 },
  { name: "scale", label: "scale", path: "network.scale", network: "balanced", index: 2 },
  { name: "gain", label: "gain", path: "network.gain", network: "random", index: 4 },
  { name: "tau", label: "time constant τ", path: "time_constant", network: null, index: 6 },
];
const SEPARATOR = "-"; // between names in the state

/** Whether the network of a state has a parameter that can vary. @param {State} state @param {Parameter} parameter */
export function applies({ network, dims }, { name, network: kind }) {
  if (kind !== null && kind !== network) return false;
  const { low, high } = feasible(dims);
  return name !== "lambda" || low < high;
}

/** @param {State} state @param {Parameter} parameter */
export function isFree(state, { name }) {
  return state.fitFree.split(SEPARATOR).includes(name);
}

/**
 * The names of the free parameters after one of them has changed.
 * @param {State} state
 * @param {Parameter} parameter
 * @param {boolean} free
 */
export function withFree(state, parameter, free) {
  const names = PARAMETERS.filter((each) => (each === parameter ? free : isFree(state, each))).map(({ name }) => name);
  return names.join(SEPARATOR);
}

/** All bounds of a state, whatever a link says. @param {State} state */
export function allBounds({ fitBounds }) {
  return fitBounds.length === DEFAULTS.fitBounds.length ? fitBounds : DEFAULTS.fitBounds;
}

/**
 * The bounds of a parameter; those of λ are within its feasible range.
 * @param {State} state
 * @param {Parameter} parameter
 * @returns {[number, number]}
 */
export function boundsOf(state, { name, index }) {
  const [from, to] = allBounds(state).slice(index, index + 2);
  if (name !== "lambda") return [from, to];
  const { low, high } = feasible(state.dims);
  if (from < high && to > low) return [Math.max(from, low), Math.min(to, high)];
  return high > 0 ? [0, to - from] : [from - to, 0]; // the same width, on the feasible side
}

/**
 * The free parameters of a state, with their bounds and the first start, which is the value of the page.
 * @param {State} state
 */
export function chosen(state) {
  return PARAMETERS.filter((each) => applies(state, each) && isFree(state, each)).map((parameter) => {
    const bounds = boundsOf(state, parameter);
    const value = state[parameter.name];
    return { ...parameter, bounds, start: value >= bounds[0] && value <= bounds[1] ? value : null };
  });
}

/**
 * Estimates as parts of the state.
 * @param {Record<string, number>} estimates by path
 * @returns {Partial<State>}
 */
export function asState(estimates) {
  const known = PARAMETERS.filter(({ path }) => typeof estimates[path] === "number");
  return Object.fromEntries(known.map(({ name, path }) => [name, estimates[path]]));
}

/** A text of the service with the labels of the page in place of paths. @param {string} text */
export function withLabels(text) {
  return PARAMETERS.reduce((all, { path, label }) => all.replaceAll(path, label), text);
}
