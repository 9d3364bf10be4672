/** Decodes floating-point formats that browsers do not support. */

const [BIAS, SPECIAL_EXPONENT] = [16_383, 32_767]; // of exponents of 15 bits
const MAX_EXPONENT = 1_022; // of exponents of float64

/** The value of a half-precision number. @param {number} bits */
export function half(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits >> 15 === 1 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * Values of x86 long doubles: ten bytes and padding.
 * Other processors use other formats under the same name; x86 is recognised by its explicit leading bit.
 * @param {DataView} view
 * @param {number} start
 * @param {number} width in bytes, including the padding
 * @param {number} count
 * @returns {Float64Array | null} null if a number is not an x86 long double or exceeds the range of float64
 */
export function longDoubles(view, start, width, count) {
  const values = new Float64Array(count);
  let isPadded = false;
  for (let i = 0; i < count; i += 1) {
    const offset = start + width * i;
    const [low, high, top] = [
      view.getUint32(offset, true),
      view.getUint32(offset + 4, true),
      view.getUint16(offset + 8, true),
    ];
    const [sign, exponent] = [top >> 15 === 1 ? -1 : 1, top & 0x7fff];
    const isZero = exponent === 0 && high === 0 && low === 0;
    const isSpecial = exponent === SPECIAL_EXPONENT;
    const isNormal = high >>> 31 === 1 && (isSpecial || Math.abs(exponent - BIAS) <= MAX_EXPONENT);
    if (!isZero && !isNormal) return null;
    const size = (high + low * 2 ** -32) * 2 ** -31;
    values[i] = isZero ? 0 : sign * (isSpecial ? (size === 1 ? Infinity : NaN) : size * 2 ** (exponent - BIAS));
    isPadded ||= !isZero || bytesOf(view, offset + 10, width - 10).every((byte) => byte === 0);
  }
  return isPadded || count === 0 ? values : null;
}

/** @param {DataView} view @param {number} offset @param {number} count */
function bytesOf(view, offset, count) {
  return new Uint8Array(view.buffer, view.byteOffset + offset, count);
}
