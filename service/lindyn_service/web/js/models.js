/**
 * The lines of each picture for the answers of one run, and of those pinned beside it.
 * @typedef {import("./lines.js").Model} Model
 * @typedef {import("./lines.js").Line} Line
 * @typedef {import("./api.js").Answer} Answer
 * @typedef {{
 *   letter: string, label: string, colour: string, state: import("./state.js").State, answer: Answer,
 * }} Pinned
 * @typedef {{
 *   state: import("./state.js").State, answer: Answer, simulated: Answer | null, pinned: Pinned[],
 * }} Run
 */

import { ofModes, token } from "./colours.js";
import { lossName } from "./request.js";

const ROUNDING = 1e-12; // singular values of a task that are zero to rounding, relative to the largest
const FAINT = [2, 4];
const DASHED = [6, 4];
const DISTANCE = "NTK distance, 1 − cosine";
const NORM = "NTK norm / its largest";

/**
 * One column of a quantity with time first; empty if the answer does not have it.
 * @param {Answer} answer
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

/** @param {Answer} answer @param {string} name */
function columns(answer, name) {
  return answer.arrays.get(name)?.shape[1] ?? 0;
}

/** @param {{ answer: Answer }} run */
export function timesOf(run) {
  return series(run.answer, "times");
}

/** @param {Run} run @returns {Omit<Model, "lines" | "yLabel">} */
export function overTime(run) {
  const log = run.state.spacing === "log";
  return { x: timesOf(run), xLabel: log ? "time t (log)" : "time t", xScale: log ? "log" : "linear" };
}

/** @param {Run} run @returns {Model} */
export function loss(run) {
  const name = lossName(run.state);
  const label = words(name);
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
  for (const { label: pin, colour, state, answer } of run.pinned) {
    const own = lossName(state);
    lines.push({ label: own === name ? pin : `${pin}, ${words(own)}`, values: series(answer, own), colour });
  }
  lines.push(...simulatedLine(run, name, "simulated", token("first")));
  return { ...overTime(run), lines, yLabel: label, yLog: true };
}

/** @param {Run} run @returns {Model} */
export function singularValues(run) {
  const count = columns(run.answer, "singular_values");
  const colours = ofModes(count);
  /** @type {number[]} */
  const targets = run.answer.meta.diagnostics.target?.singular_values ?? [];
  const length = timesOf(run).length;
  const learned = colours.map((colour, i) => ({
    label: `learned ${i + 1}`,
    values: series(run.answer, "singular_values", i),
    colour,
    width: 2,
    row: `mode ${i + 1}`,
    column: "learned",
  }));
  const dashes = targets.map((value, i) => ({
    label: `target ${i + 1}`,
    values: flat(value > ROUNDING * targets[0] ? value : 0, length),
    colour: colours[i] ?? token("soft"),
    dash: DASHED,
    width: 1,
    row: `mode ${i + 1}`,
    column: "target",
  }));
  const simulated = colours.flatMap((colour, i) =>
    simulatedLine(run, "singular_values", `simulated ${i + 1}`, colour, i).map((line) => ({
      ...line,
      row: `mode ${i + 1}`,
      column: "simulated",
    })),
  );
  const lines = [...learned, ...dashes, ...run.pinned.flatMap(pinnedModes), ...simulated];
  return { ...overTime(run), lines, yLabel: "singular value" };
}

/** @param {Pinned} pinned @returns {Line[]} */
function pinnedModes({ letter, colour, answer }) {
  return Array.from({ length: columns(answer, "singular_values") }, (_, i) => ({
    label: `${letter}, learned ${i + 1}`,
    values: series(answer, "singular_values", i),
    colour,
    width: 1.3,
    row: `mode ${i + 1}`,
    column: letter,
  }));
}

/** @param {Run} run @returns {Model} */
export function kernel(run) {
  const both = (
    /** @type {Answer} */ answer,
    /** @type {string[]} */ [first, second],
    /** @type {string} */ column,
  ) => [
    { row: DISTANCE, column, values: series(answer, "ntk_distance"), colour: first },
    { row: NORM, column, values: relativeNorm(answer), colour: second },
  ];
  const column = run.pinned.length > 0 ? "live" : "";
  const live = both(run.answer, [token("first"), token("second")], column);
  /** @type {Line[]} */
  const lines = live.map((line) => ({ ...line, label: line.row, width: 2 }));
  for (const { letter, colour, answer } of run.pinned) {
    const [distance, norm] = both(answer, [colour, colour], letter);
    lines.push(
      { ...distance, label: `${letter}, ${DISTANCE}` },
      { ...norm, label: `${letter}, ${NORM}`, dash: DASHED },
    );
  }
  lines.push(...simulatedLine(run, "ntk_distance", "simulated", token("first")));
  if (run.simulated?.arrays.has("ntk_norm")) {
    lines.push({
      label: "simulated norm",
      values: relativeNorm(run.simulated),
      colour: token("second"),
      dots: true,
    });
  }
  return { ...overTime(run), lines, yLabel: "distance, relative norm", yRange: [0, 1.03] };
}

/** @param {Answer} answer */
function relativeNorm(answer) {
  const norm = series(answer, "ntk_norm");
  const largest = norm.reduce((most, each) => Math.max(most, each), 0) || 1;
  return norm.map((each) => each / largest);
}

/** @param {Run} run @returns {Model} */
export function alignment(run) {
  const colours = ofModes(columns(run.answer, "alignment.input"));
  const lines = colours.flatMap((colour, i) =>
    ["output", "input"].map((side) => ({
      label: `mode ${i + 1}, ${side}`,
      values: series(run.answer, `alignment.${side}`, i),
      colour,
      ...(side === "input" ? { dash: FAINT } : {}),
      width: 1.8,
      row: `mode ${i + 1}`,
      column: side,
    })),
  );
  return { ...overTime(run), lines, yLabel: "overlap", yRange: [0, 1.03] };
}

/** @param {Run} run @returns {Model} */
export function specificity(run) {
  const [input, output] = ["task_specificity.input", "task_specificity.output"];
  // the broad line stays visible where both coincide
  const lines = [
    { label: "input", values: series(run.answer, input), colour: token("first"), width: 3.4 },
    { label: "output", values: series(run.answer, output), colour: token("second"), width: 1.6 },
    ...simulatedLine(run, input, "simulated input", token("first")),
    ...simulatedLine(run, output, "simulated output", token("second")),
  ];
  const least = Math.min(...lines.map(({ values }) => Math.min(...Array.from(/** @type {Float64Array} */ (values)))));
  return { ...overTime(run), lines, yLabel: "cosine with the task", yRange: [Math.min(0, least), 1.03] };
}

/**
 * A picture of one number at each time, live and pinned.
 * @param {string} name
 * @param {string} label
 * @param {boolean} [yLog]
 * @returns {(run: Run) => Model}
 */
export function single(name, label, yLog = false) {
  return (run) => ({
    ...overTime(run),
    lines: [
      { label, values: series(run.answer, name), colour: token("first"), width: 2 },
      ...run.pinned.map((pin) => ({ label: pin.label, values: series(pin.answer, name), colour: pin.colour })),
    ],
    yLabel: label,
    yLog,
  });
}

/**
 * Dots of the simulated training, if it has the quantity.
 * @param {Run} run
 * @param {string} name
 * @param {string} label
 * @param {string} colour
 * @param {number} [column]
 * @returns {Line[]}
 */
function simulatedLine({ simulated }, name, label, colour, column = 0) {
  if (simulated === null || !simulated.arrays.has(name)) return [];
  return [{ label, values: series(simulated, name, column), colour, dots: true }];
}

/** @param {string} name of a quantity */
function words(name) {
  return name.replaceAll("_", " ");
}

/** @param {number} value @param {number} length */
function flat(value, length) {
  return new Float64Array(length).fill(value);
}

/**
 * Largest deviation of the simulated losses from the computed ones, relative to the initial loss.
 * @param {Run} run
 */
export function deviation(run) {
  if (run.simulated === null) return NaN;
  const name = lossName(run.state);
  const [computed, simulated] = [series(run.answer, name), series(run.simulated, name)];
  if (simulated.length === 0) return NaN;
  return computed.reduce((most, value, i) => Math.max(most, Math.abs(simulated[i] - value)), 0) / computed[0];
}
