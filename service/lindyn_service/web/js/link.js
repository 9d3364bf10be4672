/**
 * Links: the state of the page as text after # in its address, and back.
 * @typedef {import("./matrix.js").Matrix} Matrix
 * @typedef {import("./state.js").State} State
 */

import { fromText, toText } from "./matrix.js";
import { BOUNDS, DEFAULTS, GRID, INPUTS, same } from "./state.js";

const MAX_LINK_NUMBERS = 4_000; // entries of matrices in a link
const MAX_PIN_CHARACTERS = 12 * MAX_LINK_NUMBERS;
const PIN = /^[A-D]\./; // its letter, then its run

/** Parts of the state that have forms of their own in a link. */
const APART = new Set(["weights", "data", "measured", "fitTime", "pins"]);

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
  const pins = parameters.getAll("pin");
  state.pins = pins.filter((pin, i) => PIN.test(pin) && pins.findIndex((each) => each[0] === pin[0]) === i);
  if (!pins.every((pin) => PIN.test(pin))) wrong.push("pin");
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
  if (typeof initial === "number") return numberIn(name, text);
  if (Array.isArray(initial)) {
    const values = text.split("_").map(Number);
    return values.length <= 64 && values.every((value) => Number.isFinite(value)) ? values : undefined;
  }
  return text.slice(0, 100);
}

/** @param {string} name @param {string} text @returns {number | undefined} */
function numberIn(name, text) {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!Number.isFinite(value)) return undefined;
  const bounds = /** @type {Record<string, readonly [number, number]>} */ (BOUNDS)[name];
  if (bounds === undefined) return value;
  return Number.isInteger(value) && value >= bounds[0] && value <= bounds[1] ? value : undefined;
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
