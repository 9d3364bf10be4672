/**
 * Requests of the API that correspond to a state.
 * @typedef {import("./state.js").State} State
 */

import { columnsOf, toLists } from "./matrix.js";
import { secondTask } from "./second-task.js";

const MAX_MAP_NUMBERS = 1_000_000; // limit for QQᵀ at all times in one answer

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

/** The time constant, unless it is 1 as by default. @param {State} state */
export function timeConstant({ tau }) {
  return tau === 1 ? {} : { time_constant: tau };
}

/** The loss, if the targets are known, else the excess loss. @param {State} state */
export function lossName(state) {
  const known = state.task === "semantic" || state.task === "regression" || (state.data?.table ?? null) !== null;
  return state.task !== "spectrum" && known ? "loss" : "excess_loss";
}

/** Whether QQᵀ at all times is small enough to request. @param {State} state */
export function hasMap(state) {
  const dims = dimsOf(state);
  return dims.length === 3 && (dims[0] + dims[2]) ** 2 * state.num <= MAX_MAP_NUMBERS;
}

/** The request for all pictures. @param {State} state */
export function trajectory(state) {
  const curves = [lossName(state), "singular_values", "alignment", "ntk_distance", "ntk_norm", "task_specificity"];
  return {
    network: network(state),
    task: task(state),
    times: times(state),
    ...timeConstant(state),
    quantities: hasMap(state) ? [...curves, "qqt"] : curves,
  };
}

/** The request for gradient descent of the same network. @param {State} state */
export function descent(state) {
  const { quantities, ...rest } = trajectory(state);
  return {
    ...rest,
    quantities: quantities.filter((name) => name !== "qqt" && name !== "alignment"),
    method: { kind: "descent", learning_rate: state.rate },
  };
}

/**
 * A sweep over λ, and over seeds if there are several.
 * @param {State} state
 * @param {{ what: string, from: number, to: number, points: number, seeds: number }} options
 */
export function sweep(state, options) {
  const step = (options.to - options.from) / (options.points - 1);
  const lambdas = Array.from({ length: options.points }, (_, i) => Number((options.from + i * step).toPrecision(12)));
  const axes = [{ path: "network.lambda", values: lambdas }];
  if (options.seeds > 1) {
    axes.push({ path: "network.seed", values: Array.from({ length: options.seeds }, (_, i) => state.seed + i) });
  }
  const base = { network: network(state), task: task(state), times: times(state), ...timeConstant(state) };
  return { base, axes, collect: [options.what] };
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
