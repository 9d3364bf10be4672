/** Formatting and parsing of numbers. */

/** @type {Record<string, string>} */
const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";

/** @param {number} exponent */
export function superscript(exponent) {
  return [...String(exponent)].map((character) => SUPERSCRIPTS[character]).join("");
}

/** A power of ten with its exponent; any other number as it is. @param {number} value */
export function power(value) {
  const exponent = Math.round(Math.log10(value));
  if (Math.abs(value / 10 ** exponent - 1) > 1e-9) return number(value, 4);
  return exponent === 0 ? "1" : exponent === 1 ? "10" : `10${superscript(exponent)}`;
}

/**
 * A number with a given number of significant digits and a true minus sign.
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    const factor = String(Number(mantissa)) === "1" ? "" : `${minus(String(Number(mantissa)))}·`;
    return `${factor}10${superscript(Number(exponent))}`;
  }
  return minus(String(Number(value.toPrecision(digits))));
}

/** @param {string} text */
export function minus(text) {
  return text.replace("-", "−");
}

/**
 * A text of the service in the notation of the page, such as λ = −3·10⁻¹⁶ for lambda = -3e-16.
 * @param {string} text
 */
export function typeset(text) {
  return text
    .replace(
      /(?<![\w.])(\d+(?:\.\d+)?)e([+-]?\d+)(?!\w)/g,
      (_, mantissa, exponent) => `${mantissa === "1" ? "" : `${mantissa}·`}10${superscript(Number(exponent))}`,
    )
    .replace(/(?<![\w.)\]⁰¹²³⁴-⁹-])-(?=\d)/g, "−")
    .replace(/(?<!\.)\blambda\b/g, "λ")
    .replace(/\bW(\d)\b/g, (_, layer) => `W${SUBSCRIPTS[layer]}`)
    .replaceAll("sigma_xx", "Σₓₓ")
    .replaceAll("||_F^2", "‖²")
    .replaceAll("||_F", "‖")
    .replaceAll("||", "‖")
    .replaceAll(" - ", " − ")
    .replaceAll(">=", "≥")
    .replaceAll("<=", "≤");
}

/** A count with its noun, such as 1 network or 3 networks. @param {number} count @param {string} noun */
export function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A text that begins with a capital, unless it begins with a symbol. @param {string} text */
export function capitalised(text) {
  return text.replace(/^[a-z]/, (letter) => letter.toUpperCase());
}

/** A text with a full stop, unless it ends with a mark already. @param {string} text */
export function sentence(text) {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/**
 * A duration in milliseconds or seconds.
 * @param {number} milliseconds
 */
export function duration(milliseconds) {
  return milliseconds >= 1000 ? `${number(milliseconds / 1000, 2)} s` : `${number(milliseconds, 2)} ms`;
}

/**
 * A typed number, perhaps with a decimal comma or a true minus sign; NaN if it is not a number.
 * @param {string} text
 */
export function typed(text) {
  const plain = text
    .trim()
    .replace("−", "-")
    .replace(/^([+-]?\d*),(\d+)$/, "$1.$2");
  return plain === "" ? NaN : Number(plain);
}
