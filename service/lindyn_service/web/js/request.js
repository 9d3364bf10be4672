/**
 * Requests of the API that correspond to a state.
 * @typedef {import("./state.js").State} State
 */

import { columnsOf, toLists } from "./matrix.js";
import { secondTask } from "./second-task.js";

const MAX_FILM_NUMBERS = 300_000; // limit for matrices at all times in one answer
const MAX_MATRIX_ROWS = 1_000; // of QQᵀ
const MAX_SAVED_NUMBERS = 10_000_000; // of matrices at all times in a file
const MAX_RATIO = 1e5; // of the times at which the excess loss is requested

/** Quantities of the panel with further pictures. */
const FURTHER = ["ntk_movement", "effective_rank", "sharpness"];

/** @param {State} state */
export function dimsOf(state) {
  if (state.network !== "weights") return state.dims;
  const weights = state.weights ?? [];
  return weights.length === 0 ? [] : [weights[0].columns, ...weights.map((each) => each.rows)];
}

/** @param {State} state */
export function network(state) {
  switch (state.network) {
    case "weights":
      return { kind: "weights", weights: (state.weights ?? []).map(toLists) };
    case "wide": {
      const { dims, scheme, gain, seed } = state;
      return { kind: "wide", dims, scheme, gain, start: "drawn", seed };
    }
    case "random":
      return { kind: "random", dims: state.dims, scheme: state.scheme, gain: state.gain, seed: state.seed };
    default: {
      const { dims, lambda, scale, aligned, seed } = state;
      return { kind: "balanced", dims, lambda, scale, aligned, seed };
    }
  }
}

/** @param {State} state */
export function task(state) {
  switch (state.task) {
    case "regression":
      return { kind: "regression", samples: state.samples, seed: state.taskSeed };
    case "spectrum":
      return { kind: "spectrum", singular_values: state.spectrum, seed: state.taskSeed };
    case "data":
      return ownData(state);
    default:
      return { kind: "semantic", levels: state.levels };
  }
}

/** @param {State} state */
function ownData({ data, whiten }) {
  if (data === null) throw new Error("no data yet");
  if (data.correlation !== null) return { kind: "correlation", sigma_yx: toLists(data.correlation) };
  const table = /** @type {import("./matrix.js").Matrix} */ (data.table);
  const first = table.columns - data.targets;
  return {
    kind: "data",
    inputs: toLists(columnsOf(table, 0, first)),
    targets: toLists(columnsOf(table, first, table.columns)),
    whiten,
  };
}

/** @param {State} state */
export function times(state) {
  const { start, stop, num, spacing } = state;
  return { start, stop, num, spacing };
}

/** The loss, if the targets are known, else the excess loss. @param {State} state */
export function lossName(state) {
  const known = state.task === "semantic" || state.task === "regression" || (state.data?.table ?? null) !== null;
  return state.task !== "spectrum" && known ? "loss" : "excess_loss";
}

/** The time constant, unless it is 1 as by default. @param {State} state */
function timeConstant({ tau }) {
  return tau === 1 ? {} : { time_constant: tau };
}

/** How the layers learn, where it differs from the defaults of the service. @param {State} state */
export function learning(state) {
  const schedule = scheduleOf(state);
  return {
    ...(state.decay !== 0 ? { weight_decay: state.decay } : {}),
    ...(state.rates.length > 0 ? { learning_rates: state.rates } : {}),
    ...(schedule === null ? {} : { schedule }),
  };
}

/** @param {State} state */
function scheduleOf({ schedule: kind, period, floor, halfLife, changeTimes, factors }) {
  if (kind === "cosine") return { kind, period, floor };
  if (kind === "exponential") return { kind, half_life: halfLife };
  return kind === "piecewise" ? { kind, times: changeTimes, factors } : null;
}

/** What learns, and how. @param {State} state */
export function problem(state) {
  return { network: network(state), task: task(state), ...timeConstant(state), ...learning(state) };
}

/** A run without its quantities. @param {State} state */
export function run(state) {
  return { ...problem(state), times: times(state) };
}

/** The request for all curves that are shown. @param {State} state */
export function trajectory(state) {
  const kernel = ["ntk_distance", "ntk_norm"];
  const curves = [lossName(state), "singular_values", "alignment", ...kernel, "task_specificity", "weight_norms"];
  return { ...run(state), quantities: state.more ? [...curves, ...FURTHER] : curves };
}

/** The request for the curves of a pinned run. @param {State} state */
export function pinned(state) {
  const curves = [lossName(state), "singular_values", "ntk_distance", "ntk_norm"];
  return { ...run(state), quantities: state.more ? [...curves, ...FURTHER] : curves };
}

/** Why QQᵀ is not shown; empty if it is. @param {State} state */
export function whyNoProduct(state) {
  const dims = dimsOf(state);
  if (dims.length !== 3) return "QQᵀ is defined for two layers; this network has more.";
  const rows = dims[0] + dims[2];
  return rows > MAX_MATRIX_ROWS ? `QQᵀ has ${rows} rows here, too many to draw.` : "";
}

/** The names of the matrices that are shown. @param {State} state */
export function matrixNames(state) {
  return [
    ...(whyNoProduct(state) === "" ? ["qqt"] : []),
    ...(state.more && state.network !== "wide" ? ["weights"] : []),
  ];
}

/**
 * The request for the matrices that are shown, at some times.
 * @param {State} state
 * @param {number[]} at ascending
 */
export function matrices(state, at) {
  return { ...run(state), times: at, quantities: matrixNames(state) };
}

/** Whether the matrices that are shown are small enough to request them at all times. @param {State} state */
export function hasFilm(state) {
  return matrixNumbers(state) * state.num <= MAX_FILM_NUMBERS;
}

/** @param {State} state */
function matrixNumbers(state) {
  const [dims, names] = [dimsOf(state), matrixNames(state)];
  const product = names.includes("qqt") ? (dims[0] + dims[2]) ** 2 : 0;
  const layers = dims.slice(1).reduce((sum, width, i) => sum + width * dims[i], 0);
  return product + (names.includes("weights") ? layers : 0);
}

/** The request for everything that the page shows of a run, at all times; without matrices if they are large. @param {State} state */
export function complete(state) {
  const whole = { ...state, more: true };
  const isLarge = matrixNumbers(whole) * state.num > MAX_SAVED_NUMBERS;
  const { quantities, ...rest } = trajectory(whole);
  return { ...rest, quantities: isLarge ? quantities : [...quantities, ...matrixNames(whole)] };
}

/** The request for the excess loss at times of all magnitudes. @param {State} state @param {number} stop */
export function excess(state, stop) {
  const at = { start: stop / MAX_RATIO, stop, num: 300, spacing: "log" };
  return { ...run(state), times: at, quantities: ["excess_loss"] };
}

/** The request for gradient descent of the same network. @param {State} state */
export function descent(state) {
  const linear = state.units === "linear" ? ["ntk_distance", "ntk_norm"] : [];
  return {
    ...run(state),
    quantities: [linear.length > 0 ? lossName(state) : "loss", "singular_values", ...linear, "task_specificity"],
    method: { kind: "descent", learning_rate: state.rate, activation: state.units },
  };
}

/**
 * The request for continual learning: the task of the page, then a second one, each until the horizon.
 * @param {State} state
 * @param {number[]} strengths singular values of the best network function of the first task
 */
export function continual(state, strengths) {
  return {
    network: network(state),
    tasks: [task(state), secondTask(state, strengths)].map((each) => ({ task: each, duration: state.stop })),
    num: Math.min(state.num, 400),
    ...timeConstant(state),
  };
}
