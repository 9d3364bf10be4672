/**
 * The lines of each picture for the answers of one run.
 * @typedef {import("./lines.js").Model} Model
 * @typedef {import("./lines.js").Line} Line
 * @typedef {{
 *   state: import("./state.js").State, answer: import("./api.js").Answer, simulated: import("./api.js").Answer | null,
 * }} Run
 */

import { ofModes, token } from "./colours.js";
import { lossName } from "./request.js";

const FAINT = [2, 4];
const DASHED = [6, 4];

/**
 * One column of a quantity with time first.
 * @param {import("./api.js").Answer} answer
 * @param {string} name
 * @param {number} [column]
 */
export function series(answer, name, column = 0) {
  const array = answer.arrays.get(name);
  if (array === undefined || array.values === null) return new Float64Array(0);
  const width = array.shape[1] ?? 1;
  if (width === 1) return array.values;
  const values = new Float64Array(array.shape[0]);
  for (let i = 0; i < values.length; i += 1) values[i] = array.values[i * width + column];
  return values;
}

/** @param {import("./api.js").Answer} answer @param {string} name */
function columns(answer, name) {
  return answer.arrays.get(name)?.shape[1] ?? 0;
}

/** @param {Run} run */
export function timesOf(run) {
  return series(run.answer, "times");
}

/** @param {Run} run @returns {Omit<Model, "lines" | "yLabel">} */
export function overTime(run) {
  const log = run.state.spacing === "log";
  return { x: timesOf(run), xLabel: log ? "time t (log)" : "time t", xLog: log };
}

/** @param {Run} run @returns {Model} */
export function loss(run) {
  const name = lossName(run.state);
  const label = name === "loss" ? "loss" : "excess loss";
  const values = series(run.answer, name);
  /** @type {Line[]} */
  const lines = [];
  const least = run.answer.meta.diagnostics.irreducible_loss;
  if (name === "loss" && least > 1e-9 * values[0]) {
    lines.push({
      label: "irreducible",
      values: flat(least, values.length),
      colour: token("soft"),
      dash: DASHED,
      width: 1.2,
    });
  }
  lines.push({ label, values, colour: token("first"), width: 2 });
  lines.push(...simulatedLines(run, name, [0]));
  return { ...overTime(run), lines, yLabel: label, yLog: true };
}

/** @param {Run} run @returns {Model} */
export function singularValues(run) {
  const count = columns(run.answer, "singular_values");
  const colours = ofModes(count);
  /** @type {number[]} */
  const targets = run.answer.meta.diagnostics.target?.singular_values ?? [];
  const length = timesOf(run).length;
  const dashes = targets.map((value, i) => ({
    label: `target ${i + 1}`,
    values: flat(value, length),
    colour: colours[i] ?? token("soft"),
    dash: DASHED,
    width: 1,
  }));
  const lines = colours.map((colour, i) => ({
    label: `learned ${i + 1}`,
    values: series(run.answer, "singular_values", i),
    colour,
    width: 2,
  }));
  return {
    ...overTime(run),
    lines: [
      ...dashes,
      ...lines,
      ...simulatedLines(
        run,
        "singular_values",
        colours.map((_, i) => i),
      ),
    ],
    yLabel: "singular value",
  };
}

/** @param {Run} run @returns {Model} */
export function kernel(run) {
  /** @type {Line[]} */
  const lines = [
    { label: "distance, 1 − cosine", values: series(run.answer, "ntk_distance"), colour: token("first"), width: 2 },
    { label: "norm / its largest", values: relativeNorm(run.answer), colour: token("second"), width: 2 },
    ...simulatedLines(run, "ntk_distance", [0]),
  ];
  if (run.simulated !== null) {
    lines.push({ label: "simulated norm", values: relativeNorm(run.simulated), colour: token("ink"), dots: true });
  }
  return { ...overTime(run), lines, yLabel: "neural tangent kernel", yRange: [0, 1.03] };
}

/** @param {import("./api.js").Answer} answer */
function relativeNorm(answer) {
  const norm = series(answer, "ntk_norm");
  const largest = norm.reduce((most, each) => Math.max(most, each), 0) || 1;
  return norm.map((each) => each / largest);
}

/** @param {Run} run @returns {Model} */
export function alignment(run) {
  const count = columns(run.answer, "alignment.input");
  const colours = ofModes(count);
  const lines = colours.flatMap((colour, i) => [
    { label: `${i + 1}, output`, values: series(run.answer, "alignment.output", i), colour, width: 1.8 },
    { label: `${i + 1}, input`, values: series(run.answer, "alignment.input", i), colour, dash: FAINT, width: 1.8 },
  ]);
  return { ...overTime(run), lines, yLabel: "overlap", yRange: [0, 1.03] };
}

/** @param {Run} run @returns {Model} */
export function specificity(run) {
  const [input, output] = ["task_specificity.input", "task_specificity.output"];
  const lines = [
    { label: "input", values: series(run.answer, input), colour: token("first"), width: 2 },
    { label: "output", values: series(run.answer, output), colour: token("second"), width: 2 },
    ...simulatedLines(run, input, [0]),
    ...simulatedLines(run, output, [0]),
  ];
  const least = Math.min(...lines.map(({ values }) => Math.min(...Array.from(/** @type {Float64Array} */ (values)))));
  return { ...overTime(run), lines, yLabel: "cosine with the task", yRange: [Math.min(0, least), 1.03] };
}

/**
 * Dots of the simulated training, if there is one.
 * @param {Run} run
 * @param {string} name
 * @param {number[]} which columns
 * @returns {Line[]}
 */
function simulatedLines(run, name, which) {
  const { simulated } = run;
  if (simulated === null) return [];
  return which.map((column) => ({
    label:
      which.length > 1 ? `simulated ${column + 1}` : `simulated${name.includes(".") ? ` ${name.split(".")[1]}` : ""}`,
    values: series(simulated, name, column),
    colour: token("ink"),
    dots: true,
  }));
}

/** @param {number} value @param {number} length */
function flat(value, length) {
  return new Float64Array(length).fill(value);
}

/**
 * Largest deviation of the simulated losses from the computed ones, relative to these.
 * @param {Run} run
 */
export function deviation(run) {
  if (run.simulated === null) return NaN;
  const name = lossName(run.state);
  const [computed, simulated] = [series(run.answer, name), series(run.simulated, name)];
  const floor = 1e-12 * computed[0];
  return computed.reduce(
    (most, value, i) => (value > floor ? Math.max(most, Math.abs(simulated[i] - value) / value) : most),
    0,
  );
}
