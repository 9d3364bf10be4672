/** Cells of a table: numbers, missing values, text. */

const NUMBER = /^[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?$/i;
const THOUSANDS = /^[+-]?\d{1,3},\d{3}$/;
const MISSING = new Set(
  "|na|n/a|nan|<na>|nat|null|none|nil|missing|undefined|true|false|inf|infinity|?|-|--|.|*|1.#ind|1.#qnan|1.#inf".split(
    "|",
  ),
);
const LONGEST = 24;

/** Whether it is a number, with a point or a comma for decimals. @param {string} cell */
export function isNumber(cell) {
  return NUMBER.test(plain(cell));
}

/** The number in a cell; NaN where there is none. @param {string} cell */
export function numberIn(cell) {
  const text = plain(cell);
  return NUMBER.test(text) ? Number(text.replace(",", ".")) : NaN;
}

/** Whether it is written as a whole number without a sign, as names of columns and rows are. @param {string} cell */
export function isWhole(cell) {
  return /^\d+$/.test(cell);
}

/** Whether it stands where a number is missing, or is nothing that anybody calls a column. @param {string} cell */
export function isMissing(cell) {
  return MISSING.has(cell.toLowerCase().replace(/^[+-](?=.)/, "")) || /^#(n\/?a|[a-z]+[!?]|div\/0!)$/i.test(cell);
}

/** Whether its comma may be a mark of thousands. @param {string} cell */
export function mayBeThousands(cell) {
  return THOUSANDS.test(cell);
}

/** A cell as messages repeat it. @param {string} cell */
export function shortened(cell) {
  return `“${cell.length > LONGEST ? `${cell.slice(0, LONGEST)}…` : cell}”`;
}

/** @param {string} cell */
function plain(cell) {
  return cell.replace("−", "-");
}
