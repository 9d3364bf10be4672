/** Round numbers on axes. */

/**
 * @param {number} low
 * @param {number} high
 * @param {boolean} log
 * @param {number} maxTicks approximate number of ticks
 * @returns {number[]}
 */
export function ticks(low, high, log, maxTicks) {
  if (!(high > low)) return [low];
  return log ? powers(low, high, maxTicks) : steps(low, high, maxTicks);
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
