/** Round numbers on axes. */

/**
 * @param {number} low
 * @param {number} high
 * @param {boolean} log
 * @param {number} most about how many
 * @returns {number[]}
 */
export function ticks(low, high, log, most) {
  if (!(high > low)) return [low];
  return log ? powers(low, high, most) : steps(low, high, most);
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} most
 */
function powers(low, high, most) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.max(1, Math.ceil((last - first) / most));
  const found = [];
  for (let exponent = first; exponent <= last; exponent += every) found.push(10 ** exponent);
  return found.length > 1 ? found : steps(low, high, most);
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} most
 */
function steps(low, high, most) {
  const rough = (high - low) / most;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 5, 10].find((factor) => factor * size >= rough) ?? 10);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}
