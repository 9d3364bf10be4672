/** Reads floating-point formats that browsers do not support. */

const [BIAS, SPECIAL] = [16_383, 32_767]; // of exponents of 15 bits
const RANGE = 1_022; // of exponents of float64

/** A half from its bits. @param {number} bits */
export function half(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits >> 15 === 1 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * Long doubles, as processors of the x86 family write them: ten bytes, and whatever fills the rest.
 * Other processors use other formats under the same name; x86 is recognised by the leading bit, which only it writes.
 * @param {DataView} view
 * @param {number} start
 * @param {number} width in bytes, with what fills the rest
 * @param {number} count
 * @returns {Float64Array | null} null where one is none of these, or beyond what float64 holds
 */
export function longDoubles(view, start, width, count) {
  const values = new Float64Array(count);
  let filled = false;
  for (let i = 0; i < count; i += 1) {
    const at = start + width * i;
    const [low, high, top] = [view.getUint32(at, true), view.getUint32(at + 4, true), view.getUint16(at + 8, true)];
    const [sign, exponent] = [top >> 15 === 1 ? -1 : 1, top & 0x7fff];
    const isZero = exponent === 0 && high === 0 && low === 0;
    const isSpecial = exponent === SPECIAL;
    const isNormal = high >>> 31 === 1 && (isSpecial || Math.abs(exponent - BIAS) <= RANGE);
    if (!isZero && !isNormal) return null;
    const size = (high + low * 2 ** -32) * 2 ** -31;
    values[i] = isZero ? 0 : sign * (isSpecial ? (size === 1 ? Infinity : NaN) : size * 2 ** (exponent - BIAS));
    filled ||= !isZero || bytesOf(view, at + 10, width - 10).every((byte) => byte === 0);
  }
  return filled || count === 0 ? values : null;
}

/** @param {DataView} view @param {number} at @param {number} count */
function bytesOf(view, at, count) {
  return new Uint8Array(view.buffer, view.byteOffset + at, count);
}
