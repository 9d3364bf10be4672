/**
 * The state of the page: one object that is stored in the address, so that links share it.
 * @typedef {import("./matrix.js").Matrix} Matrix
 * @typedef {"balanced" | "random" | "wide" | "weights"} NetworkKind
 * @typedef {"semantic" | "regression" | "spectrum" | "data"} TaskKind
 * @typedef {"none" | "cosine" | "exponential" | "piecewise"} Schedule
 * @typedef {{ name: string, table: Matrix | null, targets: number, correlation: Matrix | null }} Data
 * @typedef {{
 *   network: NetworkKind, dims: number[], lambda: number, scale: number, aligned: boolean, seed: number,
 *   scheme: string, gain: number, weights: Matrix[] | null, weightsName: string,
 *   task: TaskKind, levels: number, samples: number, spectrum: number[], taskSeed: number, data: Data | null,
 *   whiten: boolean, start: number, stop: number, num: number, spacing: "linear" | "log", tau: number, fitTime: boolean,
 *   decay: number, rates: number[], schedule: Schedule, period: number, floor: number, halfLife: number,
 *   changeTimes: number[], factors: number[],
 *   descent: boolean, rate: number, units: "linear" | "relu" | "tanh", time: number, pins: string[], more: boolean,
 *   sweep: boolean, forgetting: boolean, secondSeed: number,
 *   bands: boolean, bandSeeds: number, phase: boolean, phaseWhat: string, phaseGrid: number[],
 *   fit: boolean, fitFree: string, fitBounds: number[], measured: Matrix | null, measuredName: string,
 * }} State `phaseGrid`: λ from, to, number; scale from, to, number. `fitBounds`: of λ, scale, gain and τ.
 *   `measured`: columns of times, values and perhaps standard deviations
 */

/** @type {Readonly<State>} */
export const DEFAULTS = Object.freeze({
  network: "balanced",
  dims: [8, 8, 8],
  lambda: 0,
  scale: 0.01,
  aligned: false,
  seed: 11,
  scheme: "lecun",
  gain: 1,
  weights: null,
  weightsName: "",
  task: "semantic",
  levels: 3,
  samples: 50,
  spectrum: [5, 4, 3, 2, 1],
  taskSeed: 1,
  data: null,
  whiten: true,
  start: 0,
  stop: 60,
  num: 200,
  spacing: "linear",
  fitTime: true,
  decay: 0,
  rates: [],
  schedule: "none",
  period: 60,
  floor: 0,
  halfLife: 20,
  changeTimes: [20],
  factors: [1, 0.1],
  tau: 1,
  descent: false,
  rate: 0.01,
  units: "linear",
  time: 25,
  pins: [],
  more: false,
  sweep: false,
  forgetting: false,
  secondSeed: 3,
  bands: false,
  bandSeeds: 50,
  phase: false,
  phaseWhat: "ntk_movement",
  phaseGrid: [-20, 20, 25, 0.01, 1, 15],
  fit: false,
  fitFree: "lambda-tau",
  fitBounds: [0.001, 50, 0.001, 3, 0.05, 5, 0.1, 100],
  measured: null,
  measuredName: "",
});

export const LARGEST_SEED = 2 ** 53 - 1;

/** The least and the largest value of each part of the state that is a whole number. @satisfies {Record<string, readonly [number, number]>} */
export const BOUNDS = Object.freeze({
  seed: /** @type {const} */ ([0, LARGEST_SEED]),
  taskSeed: /** @type {const} */ ([0, LARGEST_SEED]),
  secondSeed: /** @type {const} */ ([0, LARGEST_SEED]),
  levels: /** @type {const} */ ([1, 6]),
  samples: /** @type {const} */ ([1, 100_000]),
  num: /** @type {const} */ ([2, 2_000]),
  bandSeeds: /** @type {const} */ ([2, 1_000]),
});

/** Parts of the state that give the times. */
export const GRID = ["start", "stop", "num", "spacing"];

/** Parts of the state that the computation depends on. */
export const INPUTS = new Set([
  "network",
  "dims",
  "lambda",
  "scale",
  "aligned",
  "seed",
  "scheme",
  "gain",
  "weights",
  "task",
  "levels",
  "samples",
  "spectrum",
  "taskSeed",
  "data",
  "whiten",
  "decay",
  "rates",
  "schedule",
  "period",
  "floor",
  "halfLife",
  "changeTimes",
  "factors",
  ...GRID,
  "tau",
]);

export class Store {
  /** @param {State} state */
  constructor(state) {
    /** @type {State} */
    this.state = state;
    /** @type {((state: State, changed: Set<string>) => void)[]} */
    this.listeners = [];
    /** Called after a change that the user made, with the state before it. */
    this.changedByUser = (/** @type {State} */ _before, /** @type {Partial<State>} */ _changes) => {};
  }

  /** @param {(state: State, changed: Set<string>) => void} listener */
  subscribe(listener) {
    this.listeners.push(listener);
  }

  /**
   * Change parts of the state, and notify the listeners of what changed.
   * @param {Partial<State>} changes
   */
  set(changes) {
    const changed = new Set(
      Object.keys(changes).filter(
        (name) => !same(this.state[/** @type {keyof State} */ (name)], changes[/** @type {keyof State} */ (name)]),
      ),
    );
    if (changed.size === 0) return;
    this.state = { ...this.state, ...changes };
    for (const listener of this.listeners) listener(this.state, changed);
  }
}

/**
 * @param {unknown} first
 * @param {unknown} second
 */
export function same(first, second) {
  if (Array.isArray(first) && Array.isArray(second)) {
    return first.length === second.length && first.every((value, i) => value === second[i]);
  }
  return Object.is(first, second);
}

/** The parts of a state that its run depends on. @param {State} state @returns {Partial<State>} */
export function inputsOf(state) {
  return Object.fromEntries([...INPUTS].map((name) => [name, state[/** @type {keyof State} */ (name)]]));
}

/**
 * Whether two states describe the same run.
 * @param {State} first
 * @param {State} second
 */
export function sameInputs(first, second) {
  return [...INPUTS].every((name) =>
    same(first[/** @type {keyof State} */ (name)], second[/** @type {keyof State} */ (name)]),
  );
}
