/** Cells of a table: numbers, missing values, text. */

const NUMBER = /^[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?$/i;
const THOUSANDS = /^[+-]?\d{1,3},\d{3}$/;
const MISSING = new Set(
  "|na|n/a|nan|<na>|nat|null|none|nil|missing|undefined|true|false|inf|infinity|?|-|--|.|*|1.#ind|1.#qnan|1.#inf".split(
    "|",
  ),
);
const MAX_CHARACTERS = 24;

/** Whether a cell is a number, with a decimal point or a decimal comma. @param {string} cell */
export function isNumber(cell) {
  return NUMBER.test(plain(cell));
}

/** The number in a cell; NaN if it is not a number. @param {string} cell */
export function numberIn(cell) {
  const text = plain(cell);
  return NUMBER.test(text) ? Number(text.replace(",", ".")) : NaN;
}

/** Whether a cell is a whole number without a sign, as in numbered columns and rows. @param {string} cell */
export function isWhole(cell) {
  return /^\d+$/.test(cell);
}

/** Whether a cell marks a missing value, or holds a value that cannot name a column, such as true. @param {string} cell */
export function isMissing(cell) {
  return MISSING.has(cell.toLowerCase().replace(/^[+-](?=.)/, "")) || /^#(n\/?a|[a-z]+[!?]|div\/0!)$/i.test(cell);
}

/** Whether the comma of a cell may separate thousands. @param {string} cell */
export function mayBeThousands(cell) {
  return THOUSANDS.test(cell);
}

/** A cell in quotation marks, abbreviated for messages. @param {string} cell */
export function shortened(cell) {
  return `“${cell.length > MAX_CHARACTERS ? `${cell.slice(0, MAX_CHARACTERS)}…` : cell}”`;
}

/** @param {string} cell */
function plain(cell) {
  return cell.replace("−", "-");
}
