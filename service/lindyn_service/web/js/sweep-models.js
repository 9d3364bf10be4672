/** The curves of a sweep over λ: one run of each network, or the median and a band over the seeds. */

import { token } from "./colours.js";
import { number } from "./format.js";

/**
 * @typedef {import("./lines.js").Line} Line
 * @typedef {import("./lines.js").Model} Model
 * @typedef {(number | null)[]} Run the values of one seed
 * @typedef {{ lambdas: number[], seeds: number[], runs: Run[] }} Table
 */

const [LOW, HIGH] = [0.1, 0.9];
const MIN_LOG_RATIO = 30; // of the largest to the smallest value, above which the axis is logarithmic

/**
 * One number of a sweep.
 * @param {any} result
 * @param {string} what name of the number
 * @returns {Table}
 */
export function tableOf(result, what) {
  const { values } = result.data[what];
  const lambdas = result.coordinates["network.lambda"];
  const seeds = result.coordinates["network.seed"];
  if (seeds === undefined) return { lambdas, seeds: [result.request.base.network.seed], runs: [values] };
  const runs = seeds.map((/** @type {number} */ _, /** @type {number} */ i) =>
    values.map((/** @type {Run} */ row) => row[i]),
  );
  return { lambdas, seeds, runs };
}

/**
 * @param {Table} table
 * @param {string} label of the number
 * @param {boolean} isTime whether a network without a value never reaches it, so that its value is infinite
 * @returns {Model}
 */
export function sweepModel({ lambdas, runs }, label, isTime) {
  const level = (/** @type {number} */ part) => quantile(runs, part, isTime);
  const colour = token("first");
  /** @type {Line[]} */
  const lines =
    runs.length === 1
      ? [{ label, values: runs[0], colour, width: 2 }]
      : [
          { label: "90 % of the seeds", values: level(HIGH), colour, width: 0.6 },
          { label: "10 % of the seeds", values: level(LOW), colour, width: 0.6 },
          { label: "median", values: level(0.5), colour, width: 2 },
        ];
  return {
    x: Float64Array.from(lambdas),
    xLabel: "λ, fine near 0",
    xName: "λ",
    xScale: "cubic",
    lines,
    ...(runs.length > 1 ? { bands: [/** @type {[number, number]} */ ([0, 1])] } : {}),
    yLabel: label,
    yLog: spansDecades(lines),
  };
}

/**
 * A quantile over the seeds at each λ, interpolated between the two values next to it.
 * @param {Run[]} runs
 * @param {number} part
 * @param {boolean} isTime
 * @returns {Run}
 */
function quantile(runs, part, isTime) {
  return runs[0].map((_, at) => {
    const values = runs.map((run) => run[at] ?? (isTime ? Infinity : NaN)).sort((a, b) => a - b);
    const place = part * (values.length - 1);
    const [below, above] = [values[Math.floor(place)], values[Math.ceil(place)]];
    const value = below + (place - Math.floor(place)) * (above - below);
    return values.every((each) => !Number.isNaN(each)) && Number.isFinite(value) ? value : null;
  });
}

/** @param {Line[]} lines */
function spansDecades(lines) {
  const values = lines.flatMap((line) => Array.from(line.values)).filter((value) => value !== null);
  const [smallest, largest] = [Math.min(...values), Math.max(...values)];
  return smallest > 0 && largest > MIN_LOG_RATIO * smallest;
}

/**
 * Where a curve has gaps, in words; nothing if it has none.
 * @param {Table} table
 * @returns {string[]}
 */
export function gapsInWords({ lambdas, runs }) {
  const missing = runs.map((run) => run.filter((value) => value === null).length).reduce((a, b) => a + b, 0);
  if (missing === 0) return [];
  const where = lambdas.filter((_, i) => runs.some((run) => run[i] === null));
  const [first, last] = [number(where[0]), number(where[where.length - 1])];
  const range = where.length === 1 ? `at λ = ${first}` : `between λ = ${first} and ${last}`;
  return [`${missing} of ${runs.length * lambdas.length} networks have no value, ${range}.`];
}

/**
 * The curves for a CSV file: one of each seed, and what is drawn of several.
 * @param {Table} table
 * @param {Model} model
 * @returns {Model}
 */
export function withSeeds({ seeds, runs }, model) {
  const lines = runs.map((values, i) => ({ label: `seed ${seeds[i]}`, values, colour: "" }));
  return { ...model, lines: runs.length > 1 ? [...lines, ...model.lines] : lines };
}
