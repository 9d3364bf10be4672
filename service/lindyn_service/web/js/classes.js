/** One-hot targets for classes: one column for each class, which is 1 for the samples of the class and 0 for others. */

import { joined } from "./arrays.js";
import { shortened } from "./cell.js";
import { minus } from "./format.js";

/** @typedef {import("./matrix.js").Matrix} Matrix */

const MAX_CLASSES = 1000; // largest width of a network
const MAX_SUSPECTED_CLASSES = 100;
const FEW_CLASSES = 10;
const MAX_LISTED = 4;

/**
 * Inputs with a column for each class.
 * @param {Matrix} inputs
 * @param {string[]} labels
 * @returns {{ table: Matrix, targets: number, remark: string }}
 */
export function withClasses(inputs, labels) {
  const classes = [...new Set(labels)];
  const numbers = classes.every((label) => label !== "" && Number.isFinite(Number(label)));
  classes.sort(numbers ? (a, b) => Number(a) - Number(b) : undefined);
  if (classes.length > MAX_CLASSES)
    throw new Error(`the last column has ${classes.length} classes: expected at most ${MAX_CLASSES}`);
  const indices = new Map(classes.map((label, i) => [label, i]));
  const values = new Float64Array(labels.length * classes.length);
  labels.forEach((label, i) => (values[i * classes.length + /** @type {number} */ (indices.get(label))] = 1));
  const table = joined(inputs, { rows: labels.length, columns: classes.length, values });
  const names = classes.slice(0, MAX_LISTED).map(shortened).join(", ");
  const more = classes.length > MAX_LISTED ? ", …" : "";
  return { table, targets: classes.length, remark: `One target for each class: ${names}${more}.` };
}

/**
 * A hint if the numbers in the last column may be class labels; 0 and 1, or ±1, work as numbers and as classes.
 * @param {Matrix} table
 * @returns {string} the hint; empty if they do not look like labels
 */
export function suspected({ rows, columns, values }) {
  const distinct = new Set();
  for (let i = 0; i < rows; i += 1) {
    const value = values[(i + 1) * columns - 1];
    if (!Number.isInteger(value) || distinct.size > MAX_SUSPECTED_CLASSES) return "";
    distinct.add(value);
  }
  const isSign = [...distinct].every((value) => Math.abs(value) <= 1) && distinct.size < 3;
  if (isSign || distinct.size < 2 || distinct.size > Math.max(FEW_CLASSES, rows / 2) || distinct.size === rows)
    return "";
  return `The last column has the ${distinct.size} values ${abbreviated([...distinct])}, read as numbers. If they are classes, select this below.`;
}

/** @param {number[]} values */
function abbreviated(values) {
  const sorted = values.sort((a, b) => a - b).map((value) => minus(String(value)));
  return sorted.length > MAX_LISTED ? `${sorted[0]}, ${sorted[1]}, …, ${sorted[sorted.length - 1]}` : sorted.join(", ");
}
