/** Reads a measured curve: times, values and, if there is a third column, their standard deviations. */

import { layoutOf, readSheet, tableOf } from "./sheet.js";

/** @typedef {import("./matrix.js").Matrix} Matrix */

const MAX_VALUES = 5_000;
const COLUMNS = "time, value and, if known, the standard deviation of the value";

/**
 * @param {string} text CSV
 * @returns {{ curve: Matrix, remarks: string[] }} rows in the order of their times
 */
export function readCurve(text) {
  const sheet = readSheet(text);
  const isNumbers = sheet.rows[0].values.every(Number.isFinite); // numbers name no columns of a curve
  const layout = layoutOf(sheet, { firstColumn: "input", ...(isNumbers ? { firstRow: "sample" } : {}) });
  if (layout.width < 2 || layout.width > 3)
    throw new Error(`it has ${layout.width === 1 ? "one column" : `${layout.width} columns`}: expected ${COLUMNS}`);
  const { table, remarks } = tableOf(layout);
  if (table.rows > MAX_VALUES) throw new Error(`it has ${table.rows} values: at most ${MAX_VALUES} are read`);
  const rows = Array.from({ length: table.rows }, (_, i) =>
    Array.from(table.values.subarray(i * table.columns, (i + 1) * table.columns)),
  );
  rows.forEach((row, i) => check(row, layout.body[i].line));
  const isSorted = rows.every((row, i) => i === 0 || rows[i - 1][0] <= row[0]);
  if (!isSorted) rows.sort((a, b) => a[0] - b[0]);
  const order = isSorted ? [] : ["Its rows were put in the order of their times."];
  const curve = { rows: table.rows, columns: table.columns, values: Float64Array.from(rows.flat()) };
  return { curve, remarks: [...layout.remarks, ...remarks, ...order] };
}

/** @param {number[]} row @param {number} line */
function check([time, , sigma], line) {
  if (time < 0) throw new Error(`row ${line} has the time ${time}: expected times of at least 0`);
  if (sigma !== undefined && !(sigma > 0))
    throw new Error(`row ${line} has the standard deviation ${sigma}: expected a number above 0`);
}

/**
 * One column of a curve.
 * @param {Matrix} curve
 * @param {number} column 0: times, 1: values, 2: standard deviations
 */
export function columnOf({ rows, columns, values }, column) {
  return Array.from({ length: rows }, (_, i) => values[i * columns + column]);
}
