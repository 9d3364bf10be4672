/**
 * How a picture of lines is laid out, in the words of uPlot.
 * @typedef {import("./lines.js").Model} Model
 */

import { token } from "./colours.js";
import { number, power } from "./format.js";
import { ticks } from "./ticks.js";

const FONT = "11px system-ui, sans-serif";
const DEEPEST = 1e-10; // of the largest value: a log axis goes no deeper
const DOTS = 32; // of a simulated curve, about

/** @param {Model} model */
export function scalesAndAxes(model) {
  return {
    scales: {
      x: { time: false, distr: model.xLog ? 3 : 1, auto: false },
      y: {
        distr: model.yLog ? 3 : 1,
        range: (/** @type {any} */ _plot, /** @type {number | null} */ low, /** @type {number | null} */ high) =>
          yRange(model, low, high),
      },
    },
    axes: [
      { ...axis(model.xLog === true, 6), grid: { show: false }, label: model.xLabel, size: 24 },
      { ...axis(model.yLog === true, 5), grid: { stroke: token("hairline"), width: 1 }, size: 44 },
    ],
  };
}

/**
 * @param {boolean} log
 * @param {number} most ticks, about
 */
function axis(log, most) {
  return {
    font: FONT,
    labelFont: FONT,
    stroke: token("soft"),
    labelSize: 16,
    labelGap: 0,
    ticks: { show: false },
    filter: (/** @type {any} */ _plot, /** @type {number[]} */ splits) => splits,
    values: (/** @type {any} */ _plot, /** @type {number[]} */ splits) =>
      splits.map((value) => (log ? power(value) : number(value, 4))),
    splits: (
      /** @type {any} */ _plot,
      /** @type {number} */ _axis,
      /** @type {number} */ low,
      /** @type {number} */ high,
    ) => ticks(low, high, log, most),
  };
}

/**
 * @param {Model} model
 * @param {number | null} low of the values in sight
 * @param {number | null} high
 */
function yRange({ yLog, yRange: fixed }, low, high) {
  if (fixed !== undefined) return fixed;
  if (low === null || high === null) return yLog ? [0.1, 1] : [0, 1];
  if (yLog) {
    const floor = Math.max(low, high * DEEPEST);
    const [first, last] = [Math.floor(Math.log10(floor)), Math.ceil(Math.log10(high) + 1e-9)];
    return [10 ** first, 10 ** Math.max(last, first + 1)];
  }
  const [bottom, top] = [Math.min(0, low), Math.max(0, high)];
  const room = 0.04 * (top - bottom || 1);
  return [bottom < 0 ? bottom - room : 0, top + room];
}

/** @param {import("./lines.js").Line} line */
export function series({ label, colour, dash, width, dots }) {
  if (!dots) return { label, stroke: colour, dash, width: width ?? 1.6, points: { show: false } };
  const some = (/** @type {any} */ plot) => {
    const every = Math.max(1, Math.round(plot.data[0].length / DOTS));
    return Array.from(plot.data[0], (_, i) => i).filter((i) => i % every === 0);
  };
  const points = { show: true, size: 4.5, stroke: colour, fill: colour, width: 0, filter: some };
  return { label, stroke: colour, paths: () => null, points };
}
