/**
 * The values of all lines of a picture at one position, as rows of a table.
 * @typedef {import("./lines.js").Line} Line
 */

import { number } from "./format.js";

/**
 * Lines with the same `row` share a row, with one value in each `column`; other lines have rows of their own.
 * @param {Line[]} lines
 * @param {number} at index
 * @returns {{ rows: { label: string, value: string[], colour: string }[], columns: string[] }}
 */
export function readings(lines, at) {
  const columns = [...new Set(lines.map(({ column }) => column ?? ""))];
  /** @type {Map<string, { label: string, value: string[], colour: string }>} */
  const rows = new Map();
  for (const { label, row, column, colour, values } of lines) {
    const name = row ?? label;
    const found = rows.get(name) ?? { label: name, value: columns.map(() => ""), colour };
    rows.set(name, found);
    found.value[columns.indexOf(column ?? "")] = number(/** @type {number} */ (values[at]), 4);
  }
  return { rows: [...rows.values()].filter(hasValue), columns };
}

/** @param {{ value: string[] }} row */
function hasValue({ value }) {
  return value.some((each) => each !== "–" && each !== "");
}
