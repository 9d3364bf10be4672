/**
 * Options of uPlot for the scales, axes and series of a picture.
 * @typedef {import("./lines.js").Model} Model
 */

import { token } from "./colours.js";
import { number, power } from "./format.js";
import { ticks } from "./ticks.js";

const FONT = "11px system-ui, sans-serif";
const MIN_LOG_RATIO = 1e-10; // smallest value on a logarithmic axis, relative to the largest
const MAX_DOTS = 32; // approximate number of dots of a simulated curve

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
 * @param {number} maxTicks approximate number of ticks
 */
function axis(log, maxTicks) {
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
    ) => ticks(low, high, log, maxTicks),
  };
}

/**
 * @param {Model} model
 * @param {number | null} low smallest visible value
 * @param {number | null} high largest visible value
 */
function yRange({ yLog, yRange: fixed }, low, high) {
  if (fixed !== undefined) return fixed;
  if (low === null || high === null) return yLog ? [0.1, 1] : [0, 1];
  if (yLog) {
    const floor = Math.max(low, high * MIN_LOG_RATIO);
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
    const every = dots === "all" ? 1 : Math.max(1, Math.round(plot.data[0].length / MAX_DOTS));
    return Array.from(plot.data[0], (_, i) => i).filter((i) => i % every === 0);
  };
  const points = { show: true, size: 4.5, stroke: colour, fill: colour, width: 0, filter: some };
  return { label, stroke: colour, paths: () => null, points };
}
