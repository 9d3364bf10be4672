/** Round numbers on axes. */

import { spread } from "./scales.js";

/**
 * @param {number} low
 * @param {number} high
 * @param {import("./scales.js").Scale} scale
 * @param {number} maxTicks approximate number of ticks
 * @returns {number[]}
 */
export function ticks(low, high, scale, maxTicks) {
  if (!(high > low)) return [low];
  if (scale === "log") return powers(low, high, maxTicks);
  return scale === "cubic" ? cubes(low, high, maxTicks) : steps(low, high, maxTicks);
}

/**
 * Numbers of one digit near places with equal distances, 0 among them.
 * @param {number} low
 * @param {number} high
 * @param {number} maxTicks
 */
function cubes(low, high, maxTicks) {
  const reach = Math.max(Math.abs(low), Math.abs(high));
  const half = spread(0, reach, Math.max(2, Math.round(maxTicks / (low < 0 && high > 0 ? 2 : 1))), "cubic");
  const sizes = half.slice(1).map((value) => Number(value.toPrecision(1)));
  const values = [...sizes.map((size) => -size), 0, ...sizes].filter((value) => value >= low && value <= high);
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  return distinct.length > 1 ? distinct : steps(low, high, maxTicks);
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} maxTicks
 */
function powers(low, high, maxTicks) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.max(1, Math.ceil((last - first) / maxTicks));
  const values = [];
  for (let exponent = first; exponent <= last; exponent += every) values.push(10 ** exponent);
  return values.length > 1 ? values : steps(low, high, maxTicks);
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} maxTicks
 */
function steps(low, high, maxTicks) {
  const rough = (high - low) / maxTicks;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 5, 10].find((factor) => factor * size >= rough) ?? 10);
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) {
    values.push(Number((i * step).toPrecision(12)));
  }
  return values;
}
