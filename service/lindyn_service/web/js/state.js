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

import { fromText, toText } from "./matrix.js";

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

const MAX_LINK_NUMBERS = 4_000; // entries of matrices in a link
const MAX_PIN_CHARACTERS = 12 * MAX_LINK_NUMBERS;

/** Parts of the state that have forms of their own in a link. */
const APART = new Set(["weights", "data", "measured", "fitTime", "pins"]);

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

/**
 * The part of an address after #: everything that differs from the defaults.
 * @param {State} state
 * @param {number} [limit] largest number of entries of matrices
 * @returns {{ text: string, complete: boolean }} incomplete if a matrix is too large for a link
 */
export function toHash(state, limit = MAX_LINK_NUMBERS) {
  const parameters = new URLSearchParams();
  let complete = true;
  for (const [name, value] of Object.entries(state)) {
    const initial = DEFAULTS[/** @type {keyof State} */ (name)];
    if (APART.has(name) || same(value, initial)) continue;
    parameters.set(name, Array.isArray(value) ? value.join("_") : String(value));
  }
  if (state.fitTime !== impliesFit(state)) parameters.set("fitTime", String(state.fitTime));
  const { weights, data, measured, pins } = state;
  if (state.network === "weights" && weights !== null) {
    if (weights.reduce((sum, each) => sum + each.values.length, 0) > limit) complete = false;
    else weights.forEach((each, i) => parameters.set(`W${i + 1}`, toText(each)));
  }
  if (state.task === "data" && data !== null) {
    const matrix = /** @type {Matrix} */ (data.table ?? data.correlation);
    if (matrix.values.length > limit) complete = false;
    else {
      parameters.set("data", toText(matrix));
      parameters.set("targets", String(data.table === null ? 0 : data.targets));
      parameters.set("dataName", data.name);
    }
  }
  if (measured !== null) {
    if (measured.values.length > limit) complete = false;
    else parameters.set("measured", toText(measured));
  }
  for (const pin of pins) {
    if (pin.length > MAX_PIN_CHARACTERS) complete = false;
    else parameters.append("pin", pin);
  }
  return { text: parameters.toString(), complete };
}

/** Whether a link without `fitTime` leaves the horizon to the page: if it names no horizon. @param {State} state */
function impliesFit({ stop }) {
  return stop === DEFAULTS.stop;
}

/**
 * The inputs of a state except its times, as text that `fromHash` reads.
 * @param {State} state
 */
export function withoutTimes(state) {
  /** @type {any} */
  const kept = { ...DEFAULTS };
  for (const name of INPUTS) if (!GRID.includes(name)) kept[name] = state[/** @type {keyof State} */ (name)];
  return toHash(kept, Infinity).text;
}

/**
 * The state in an address; invalid parts are replaced by defaults, and named.
 * @param {string} hash without #
 * @returns {{ state: State, wrong: string[] }}
 */
export function fromHash(hash) {
  const parameters = new URLSearchParams(hash);
  /** @type {any} */
  const state = { ...DEFAULTS };
  /** @type {string[]} */
  const wrong = [];
  for (const name of Object.keys(DEFAULTS)) {
    const text = parameters.get(name);
    if (text === null || APART.has(name)) continue;
    const value = parsed(name, text);
    if (value === undefined) wrong.push(name);
    else state[name] = value;
  }
  state.fitTime = parameters.has("fitTime") ? parameters.get("fitTime") === "true" : impliesFit(state);
  state.pins = parameters.getAll("pin").filter((pin, i, all) => all.findIndex(([letter]) => letter === pin[0]) === i);
  if (!parameters.has("time") && state.time > state.stop) state.time = state.stop / 2;
  try {
    Object.assign(state, matrices(parameters));
  } catch (error) {
    wrong.push(/** @type {Error} */ (error).message);
  }
  return { state, wrong };
}

/** @type {Record<string, string[]>} */
const CHOICES = {
  network: ["balanced", "random", "wide", "weights"],
  task: ["semantic", "regression", "spectrum", "data"],
  scheme: ["lecun", "glorot", "he", "normal"],
  spacing: ["linear", "log"],
  schedule: ["none", "cosine", "exponential", "piecewise"],
  units: ["linear", "relu", "tanh"],
  phaseWhat: [
    "ntk_movement",
    "kernel_distance",
    "convergence_time",
    "final_loss",
    "task_specificity_input",
    "task_specificity_output",
  ],
};

/**
 * @param {string} name
 * @param {string} text
 * @returns {unknown} undefined if invalid
 */
function parsed(name, text) {
  const initial = DEFAULTS[/** @type {keyof State} */ (name)];
  if (name in CHOICES) return CHOICES[name].includes(text) ? text : undefined;
  if (typeof initial === "boolean") return text === "true" ? true : text === "false" ? false : undefined;
  if (typeof initial === "number") return text !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined;
  if (Array.isArray(initial)) {
    const values = text.split("_").map(Number);
    return values.length <= 64 && values.every((value) => Number.isFinite(value)) ? values : undefined;
  }
  return text.slice(0, 100);
}

/** @param {URLSearchParams} parameters */
function matrices(parameters) {
  const [layers, data] = [[...parameters.keys()].filter((key) => /^W\d+$/.test(key)), parameters.get("data")];
  const measured = parameters.get("measured");
  /** @type {Partial<State>} */
  const found = {};
  if (layers.length > 0) found.weights = layers.map((_, i) => fromText(parameters.get(`W${i + 1}`) ?? ""));
  if (data !== null) {
    const [matrix, targets] = [fromText(data), Number(parameters.get("targets") ?? 1)];
    const name = (parameters.get("dataName") ?? "data").slice(0, 100);
    found.data =
      targets > 0
        ? { name, table: matrix, targets: Math.min(targets, matrix.columns - 1), correlation: null }
        : { name, table: null, targets: 0, correlation: matrix };
  }
  if (measured !== null) found.measured = curve(fromText(measured));
  return found;
}

/** A measured curve from a link; throws if it has no times. @param {Matrix} matrix */
function curve(matrix) {
  const { rows, columns, values } = matrix;
  const times = Array.from({ length: rows }, (_, i) => values[i * columns]);
  const isValid = (columns === 2 || columns === 3) && times.every((time, i) => time >= (i === 0 ? 0 : times[i - 1]));
  if (!isValid) throw new Error("the measured curve in the link is damaged");
  return matrix;
}
