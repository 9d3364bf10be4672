/** Curves of the statistics over seeds, behind those of the live network. */

import { ofModes, token } from "./colours.js";
import { entryOf } from "./figure.js";
import { overTime, series } from "./models.js";
import { lossName } from "./request.js";

/** @typedef {import("./api.js").Answer} Answer */
/** @typedef {import("./lines.js").Line} Line */
/** @typedef {import("./lines.js").Model} Model */
/** @typedef {import("./models.js").Run} Run */

export const LEVELS = [0.1, 0.5, 0.9];
const NAMES = ["10 %", "median", "90 %"];
const [LOW, MEDIAN, HIGH] = [0, 1, 2];
const MEDIAN_LINE = 2; // of the lines of a band

/**
 * The quantiles of one number of a quantity, over time.
 * @param {Answer} ensemble
 * @param {string} name
 * @param {number} [column]
 * @returns {Float64Array[]} in the order of LEVELS
 */
function quantiles(ensemble, name, column = 0) {
  const array = ensemble.arrays.get(`${name}.quantiles`);
  if (array === undefined || array.values === null) throw new Error(`the answer has no quantiles of ${name}`);
  const { values, shape } = array;
  const [, count, width = 1] = shape;
  return LEVELS.map((_, level) =>
    Float64Array.from({ length: count }, (__, i) => values[(level * count + i) * width + column]),
  );
}

/**
 * @param {Float64Array[]} curves
 * @param {string} colour
 * @param {string} prefix of the labels
 * @returns {Line[]} upper edge, lower edge, median
 */
function bandLines(curves, colour, prefix = "") {
  return [
    { label: `${prefix}${NAMES[HIGH]}`, values: curves[HIGH], colour, width: 0.6 },
    { label: `${prefix}${NAMES[LOW]}`, values: curves[LOW], colour, width: 0.6 },
    { label: `${prefix}${NAMES[MEDIAN]}`, values: curves[MEDIAN], colour, dash: [6, 4], width: 1.4 },
  ];
}

/** @param {Run} run @param {Answer} ensemble @returns {Model} */
export function lossBand(run, ensemble) {
  const name = lossName(run.state);
  const colour = token("second");
  const lines = bandLines(quantiles(ensemble, name), colour);
  const wide = ensemble.arrays.get(`wide.${name}`);
  if (wide?.values)
    lines.push({ label: "wide limit", values: wide.values, colour: token("soft"), dash: [2, 4], width: 1.6 });
  const label = `this network, seed ${run.state.seed}`;
  lines.push({ label, values: series(run.answer, name), colour: token("first"), width: 2 });
  const yLabel = name === "loss" ? "loss" : "excess loss";
  return { ...overTime(run), lines, bands: [[0, 1]], yLabel, yLog: true };
}

/** @param {Run} run @param {Answer} ensemble @returns {Model} */
export function singularValueBands(run, ensemble) {
  const count = run.answer.arrays.get("singular_values")?.shape[1] ?? 0;
  const colours = ofModes(count);
  const behind = colours.flatMap((colour, i) =>
    bandLines(quantiles(ensemble, "singular_values", i), colour, `${i + 1}, `),
  );
  const live = colours.map((colour, i) => ({
    label: `${i + 1}, this network`,
    values: series(run.answer, "singular_values", i),
    colour,
    width: 2,
  }));
  const bands = colours.map((_, i) => /** @type {[number, number]} */ ([3 * i, 3 * i + 1]));
  return { ...overTime(run), lines: [...behind, ...live], bands, yLabel: "singular value" };
}

/** @param {Model} model */
export function legendOfLoss({ lines }) {
  const [edge, , ...others] = lines;
  return [
    { label: "10–90 % of the seeds", colour: edge.colour, kind: /** @type {const} */ ("band") },
    ...others.map(entryOf),
  ];
}

/** @param {Model} model */
export function legendOfModes({ lines, bands = [] }) {
  const colours = ofModes(bands.length);
  return [
    { label: "10–90 % of the seeds", colour: colours[0], kind: /** @type {const} */ ("band") },
    entryOf({ ...lines[MEDIAN_LINE], label: "median", colour: token("soft") }),
    {
      label: colours.length > 1 ? `this network, modes 1 to ${colours.length}` : "this network",
      colour: "",
      kind: /** @type {const} */ ("ramp"),
      colours,
    },
  ];
}
