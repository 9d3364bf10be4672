/**
 * Requests of the panels: sweeps over λ, ensembles over seeds, phase diagrams and fits.
 * @typedef {import("./state.js").State} State
 */

import { LEVELS } from "./band-models.js";
import { columnOf } from "./curve-file.js";
import { chosen } from "./fit-parameters.js";
import { axesOf, lambdasBetween } from "./phase-axes.js";
import { lossName, problem, run } from "./request.js";

/**
 * A sweep over λ, and over seeds if there are several.
 * @param {State} state
 * @param {{ from: number, to: number, points: number, seeds: number }} grid
 * @param {string[]} collect names of the numbers of each run
 */
export function sweep(state, { from, to, points, seeds }, collect) {
  const axes = [{ path: "network.lambda", values: lambdasBetween(from, to, points) }];
  if (seeds > 1) axes.push({ path: "network.seed", values: Array.from({ length: seeds }, (_, i) => state.seed + i) });
  return { base: run(state), axes, collect };
}

/** The statistics over seeds, of which the first is that of the live network. @param {State} state */
export function ensemble(state) {
  const base = { ...run(state), quantities: [lossName(state), "singular_values"] };
  return { base, replicates: state.bandSeeds, first_seed: state.seed, quantiles: LEVELS };
}

/** The sweep over λ and scale. @param {State} state */
export function phase(state) {
  const { lambdas, scales } = axesOf(state);
  return {
    base: run(state),
    axes: [
      { path: "network.lambda", values: lambdas },
      { path: "network.scale", values: scales },
    ],
    collect: [state.phaseWhat],
  };
}

/**
 * The fit of the measured curve; parameters that are not free have the values of the page.
 * @param {State} state
 */
export function fit(state) {
  const measured = /** @type {import("./matrix.js").Matrix} */ (state.measured);
  const sigma = measured.columns > 2 ? { sigma: columnOf(measured, 2) } : {};
  const free = chosen(state).map(({ path, bounds, start }) => ({
    path,
    bounds,
    scale: bounds[0] > 0 ? "log" : "linear",
    ...(start === null ? {} : { start }),
  }));
  return {
    base: problem(state),
    observations: [
      { quantity: lossName(state), times: columnOf(measured, 0), values: columnOf(measured, 1), ...sigma },
    ],
    free,
  };
}

/**
 * The loss of the live network at some times.
 * @param {State} state
 * @param {number[]} list
 */
export function lossAt(state, list) {
  return { ...problem(state), times: list, quantities: [lossName(state)] };
}
