/** A short description of a run: its λ, and everything else in which it differs from another run. */

import { minus } from "./format.js";
import { dimsOf } from "./request.js";
import { GRID, INPUTS } from "./state.js";

/** @typedef {import("./state.js").State} State */

const NETWORKS = { balanced: "λ-balanced", random: "independent weights", wide: "wide limit", weights: "own weights" };
const TASKS = {
  semantic: "semantic hierarchy",
  regression: "random regression",
  spectrum: "own spectrum",
  data: "own data",
};

/** The words for parts of a state; a part without words here is not mentioned. @type {Record<string, (state: State) => string>} */
const WORDS = {
  network: ({ network }) => NETWORKS[network],
  dims: (state) => dimsOf(state).join("-"),
  scale: ({ scale }) => `scale ${scale}`,
  aligned: ({ aligned }) => (aligned ? "aligned" : "not aligned"),
  seed: ({ seed }) => `seed ${seed}`,
  scheme: ({ scheme }) => scheme,
  gain: ({ gain }) => `gain ${gain}`,
  weights: () => "other weights",
  task: ({ task }) => TASKS[task],
  levels: ({ levels }) => `${levels} levels`,
  samples: ({ samples }) => `${samples} samples`,
  spectrum: ({ spectrum }) => `s = ${spectrum.join(", ")}`,
  taskSeed: ({ taskSeed }) => `task seed ${taskSeed}`,
  data: ({ data }) => data?.name ?? "no data",
  whiten: ({ whiten }) => (whiten ? "whitened" : "not whitened"),
  decay: ({ decay }) => `decay ${decay}`,
  rates: ({ rates }) => (rates.length === 0 ? "equal rates" : `rates ${rates.join(", ")}`),
  schedule: ({ schedule }) => (schedule === "none" ? "constant rates" : `${schedule} schedule`),
  period: ({ period }) => `period ${period}`,
  floor: ({ floor }) => `floor ${floor}`,
  halfLife: ({ halfLife }) => `half-life ${halfLife}`,
  changeTimes: ({ changeTimes }) => `steps at ${changeTimes.join(", ")}`,
  factors: ({ factors }) => `factors ${factors.join(", ")}`,
};

/** Parts that only one kind of network, task or schedule has. @type {Record<string, (state: State) => boolean>} */
const APPLIES = {
  scale: ({ network }) => network === "balanced",
  aligned: ({ network }) => network === "balanced",
  seed: ({ network }) => network !== "weights",
  scheme: ({ network }) => network === "random" || network === "wide",
  gain: ({ network }) => network === "random" || network === "wide",
  weights: ({ network }) => network === "weights",
  levels: ({ task }) => task === "semantic",
  samples: ({ task }) => task === "regression",
  spectrum: ({ task }) => task === "spectrum",
  taskSeed: ({ task }) => task === "regression" || task === "spectrum",
  data: ({ task }) => task === "data",
  whiten: ({ task }) => task === "data",
  period: ({ schedule }) => schedule === "cosine",
  floor: ({ schedule }) => schedule === "cosine",
  halfLife: ({ schedule }) => schedule === "exponential",
  changeTimes: ({ schedule }) => schedule === "piecewise",
  factors: ({ schedule }) => schedule === "piecewise",
};

/**
 * @param {State} state
 * @param {State} other
 */
export function describeRun(state, other) {
  const parts = state.network === "balanced" ? [`λ = ${minus(String(state.lambda))}`] : [];
  for (const name of INPUTS) {
    const words = WORDS[name];
    if (words === undefined || GRID.includes(name) || APPLIES[name]?.(state) === false) continue;
    if (isOther(state, other, name, words)) parts.push(words(state));
  }
  return parts.length === 0 ? NETWORKS[state.network] : parts.join(", ");
}

/** @param {State} state @param {State} other @param {string} name @param {(state: State) => string} words */
function isOther(state, other, name, words) {
  if (name === "weights" || name === "data")
    return JSON.stringify(valuesOf(state, name)) !== JSON.stringify(valuesOf(other, name));
  return APPLIES[name]?.(other) === false || words(state) !== words(other);
}

/** @param {State} state @param {"weights" | "data"} name */
function valuesOf(state, name) {
  if (name === "weights") return state.weights?.map(({ values }) => [...values]) ?? null;
  return [...((state.data?.table ?? state.data?.correlation)?.values ?? [])];
}
