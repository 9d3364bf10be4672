/** Reading tables of numbers from text. */

import { typed } from "./format.js";

const MOST_NUMBERS = 5_000_000;

/**
 * A matrix from CSV: commas, semicolons, tabs or blanks between numbers; a first row of names is skipped.
 * @param {string} text
 * @returns {import("./matrix.js").Matrix}
 */
export function readCsv(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new Error("there is nothing in it: expected rows of numbers");
  const separator = [";", "\t", ","].find((each) => lines[0].includes(each)) ?? /\s+/;
  const rows = lines.map((line) => line.trim().split(separator).map(typed));
  const first = rows[0].every(Number.isNaN) ? 1 : 0;
  const columns = rows[0].length;
  if (rows.length === first) throw new Error("there is only a row of names: expected rows of numbers");
  if (rows.length * columns > MOST_NUMBERS) throw new Error(`it has more than ${MOST_NUMBERS} numbers`);
  for (let i = first; i < rows.length; i += 1) {
    if (rows[i].length !== columns) {
      throw new Error(`row ${i + 1} has ${rows[i].length} entries, the first has ${columns}`);
    }
    const wrong = rows[i].findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) throw new Error(`row ${i + 1}, column ${wrong + 1} is no number`);
  }
  return { rows: rows.length - first, columns, values: Float64Array.from(rows.slice(first).flat()) };
}
