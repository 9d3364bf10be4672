/**
 * Options of uPlot for the scales, axes and series of a picture.
 * @typedef {import("./lines.js").Model} Model
 * @typedef {import("./scales.js").Scale} Scale
 */

import { token } from "./colours.js";
import { number, power } from "./format.js";
import { ofPlot } from "./scales.js";
import { ticks } from "./ticks.js";

const FONT = "11px system-ui, sans-serif";
const MIN_LOG_RATIO = 1e-10; // smallest value on a logarithmic axis, relative to the largest
const MIN_LOG_ROOM = 0.02; // decades above and below the values
const MAX_DOTS = 32; // approximate number of dots of a simulated curve
const [MIN_AXIS_PIXELS, CHARACTER_PIXELS] = [30, 6];

/** @param {Model} model */
export function scalesAndAxes(model) {
  return {
    scales: {
      x: { time: false, ...ofPlot(model.xScale ?? "linear"), auto: false, range: asGiven },
      y: {
        ...ofPlot(model.yLog ? "log" : "linear"),
        range: (/** @type {any} */ _plot, /** @type {number | null} */ low, /** @type {number | null} */ high) =>
          yRange(model, low, high),
      },
    },
    axes: [
      { ...axis(model.xScale ?? "linear", 6), grid: { show: false }, label: model.xLabel, size: 24 },
      {
        ...axis(model.yLog ? "log" : "linear", 5),
        grid: { stroke: token("hairline"), width: 1 },
        label: model.yLabel,
        size: widthOf,
      },
    ],
  };
}

/**
 * @param {Scale} scale
 * @param {number} maxTicks approximate number of ticks
 */
function axis(scale, maxTicks) {
  return {
    font: FONT,
    labelFont: FONT,
    stroke: token("soft"),
    labelSize: 16,
    labelGap: 0,
    ticks: { show: false },
    filter: (/** @type {any} */ _plot, /** @type {number[]} */ splits) => splits,
    values: (/** @type {any} */ _plot, /** @type {number[]} */ splits) =>
      splits.map((value) => (scale === "log" ? power(value) : number(value, 4))),
    splits: (
      /** @type {any} */ _plot,
      /** @type {number} */ _axis,
      /** @type {number} */ low,
      /** @type {number} */ high,
    ) => ticks(low, high, scale, maxTicks),
  };
}

/** The given range, without the rounding to powers of ten that is uPlot's own. */
const asGiven = (/** @type {any} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => [
  low ?? 1,
  high ?? 10,
];

/** Pixels for the longest label of an axis. @param {any} _plot @param {string[] | null} labels */
function widthOf(_plot, labels) {
  return Math.max(MIN_AXIS_PIXELS, 12 + CHARACTER_PIXELS * Math.max(0, ...(labels ?? []).map((each) => each.length)));
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
    const [first, last] = [Math.log10(floor), Math.log10(high)];
    const room = Math.max(MIN_LOG_ROOM, 0.04 * (last - first));
    return [10 ** (first - room), 10 ** (last + room)];
  }
  const [bottom, top] = [Math.min(0, low), Math.max(0, high)];
  const room = 0.04 * (top - bottom || 1);
  return [bottom < 0 ? bottom - room : 0, top + room];
}

/** @param {import("./lines.js").Line} line */
export function series({ label, colour, dash, width, dots }) {
  if (!dots) return { label, stroke: colour, dash, width: width ?? 1.6, pxAlign: 0, points: { show: false } };
  const some = (/** @type {any} */ plot) => {
    const every = dots === "all" ? 1 : Math.max(1, Math.round(plot.data[0].length / MAX_DOTS));
    return Array.from(plot.data[0], (_, i) => i).filter((i) => i % every === 0);
  };
  const points = { show: true, size: 5.5, stroke: colour, fill: token("paper"), width: 1.4, filter: some };
  return { label, stroke: colour, paths: () => null, points };
}
