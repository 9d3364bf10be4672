/** Converts rows of cells to a table of numbers; guesses whether the first row and column hold names. */

import { isMissing, isNumber, mayBeThousands, numberIn, shortened } from "./cell.js";
import { countRowNames, namesColumns, namesRows } from "./table-headers.js";
import { cellsOf, split } from "./csv.js";

const MAX_NUMBERS = 5_000_000;

/**
 * @typedef {import("./matrix.js").Matrix} Matrix
 * @typedef {{ line: number, text: string, values: number[], filled: number }} Row `filled`: number of cells up to the last one that is not empty
 * @typedef {{ rows: Row[], separator: string }} Sheet
 * @typedef {{ firstRow: "names" | "sample", firstColumn: "input" | "names", lastColumn: "number" | "class" }} Choices
 * @typedef {{ sheet: Sheet, body: Row[], width: number, from: number, choices: Choices, remarks: string[] }} Layout `from`: index of the first input column
 */

/** Error for a table that cannot be read with the current choices. */
export class Refusal extends Error {
  /**
   * @param {string} message
   * @param {string} hint the choice that may help; empty if none does
   */
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/** @param {string} text @returns {Sheet} */
export function readSheet(text) {
  const { lines, separator } = split(text);
  /** @type {Row[]} */
  const rows = [];
  let count = 0;
  for (const line of lines) {
    const cells = cellsOf(line.text, separator);
    count += cells.length;
    if (count > MAX_NUMBERS) throw new Error(`it has more than ${MAX_NUMBERS} numbers`);
    const filled = cells.findLastIndex((cell) => cell !== "") + 1;
    rows.push({ ...line, values: cells.map(numberIn), filled });
  }
  while (rows.length > 0 && rows[rows.length - 1].filled === 0) rows.pop();
  if (rows.length === 0) throw new Error("it is empty: expected rows of numbers");
  return { rows, separator };
}

/**
 * The roles of rows and columns, as the user chose them or as guessed.
 * @param {Sheet} sheet
 * @param {Partial<Choices>} wanted
 * @returns {Layout}
 */
export function layoutOf(sheet, wanted) {
  const { rows, separator } = sheet;
  const first = cellsOf(rows[0].text, separator);
  const top = namesColumns(sheet, first);
  const firstRow = wanted.firstRow ?? (top.names ? "names" : "sample");
  const remarks = firstRow === (top.names ? "names" : "sample") ? [...top.remarks] : [];
  const body = firstRow === "names" ? rows.slice(1) : rows;
  if (body.length === 0) throw new Error("it has only a row of names: expected rows of numbers");
  const widest = Math.max(...new Set(body.map((row) => row.filled)));
  const header = firstRow === "names" ? first.slice(0, Math.max(rows[0].filled, Math.min(first.length, widest))) : null;
  const isTitle = header?.length === 1 && widest > 2;
  const names = isTitle ? null : header;
  const width = Math.max(widest, names?.length ?? 0);
  checkLengths(sheet, body, width, names?.length ?? null);
  if (isTitle) remarks.push(`Row ${rows[0].line} (${shortened(rows[0].text.trim())}) is left out.`);
  const side = namesRows(sheet, body, names, width);
  const firstColumn = wanted.firstColumn ?? (side.names ? "names" : "input");
  if (firstColumn === (side.names ? "names" : "input")) remarks.push(...side.remarks);
  const choices = { firstRow, firstColumn, lastColumn: wanted.lastColumn ?? "number" };
  return { sheet, body, width, from: firstColumn === "names" ? countRowNames(names) : 0, choices, remarks };
}

/**
 * The numbers of a layout, without row names, and without the last column if it is a class.
 * @param {Layout} layout
 * @returns {{ table: Matrix, labels: string[] | null, remarks: string[] }}
 */
export function tableOf(layout) {
  const { sheet, body, width, from, choices } = layout;
  const to = choices.lastColumn === "class" ? width - 1 : width;
  if (width - from < 2) throw new Error("it has one column: expected inputs, then targets");
  const values = new Float64Array(body.length * (to - from));
  body.forEach((row, i) => {
    for (let j = from; j < to; j += 1) {
      if (!Number.isFinite(row.values[j])) throw refusal(layout, row, j);
    }
    values.set(row.values.slice(from, to), i * (to - from));
  });
  const commas = decimals(sheet, body, from, to);
  return {
    table: { rows: body.length, columns: to - from, values },
    labels: to === width ? null : body.map((row) => label(layout, row)),
    remarks: commas ? ["Commas are read as decimal marks."] : [],
  };
}

/**
 * Require that all rows have the same length; there may be one column name less if the first column names the rows.
 * @param {Sheet} sheet
 * @param {Row[]} body
 * @param {number} width
 * @param {number | null} names number of column names
 */
function checkLengths({ rows }, body, width, names) {
  const fractions = body.some((row) => !Number.isInteger(row.values[0]) && !Number.isNaN(row.values[0]));
  const fewNames = names !== null && (names < width - 1 || (names < width && fractions));
  const wrong = body.find((row) => row.values.length < width) ?? (fewNames ? rows[0] : undefined);
  if (wrong === undefined) return;
  const full = rows.find((row) => row.filled === width) ?? rows[0];
  const [one, other] = wrong === rows[0] ? [full, wrong] : [wrong, full];
  const length = (/** @type {Row} */ row) => (row === rows[0] && names !== null ? names : row.values.length);
  const place = other === rows[0] ? "the first" : `row ${other.line}`;
  throw new Error(`row ${one.line} has ${length(one)} entries, ${place} has ${length(other)}`);
}

/**
 * Whether commas are decimal marks; throws if that is uncertain.
 * @param {Sheet} sheet
 * @param {Row[]} body
 * @param {number} from
 * @param {number} to
 */
function decimals({ separator }, body, from, to) {
  /** @type {{ line: number, column: number, cell: string }[]} */
  const found = [];
  let thousands = true;
  for (const { line, text } of body) {
    if (!text.includes(",") || (separator === "," && !text.includes('"'))) continue;
    cellsOf(text, separator).forEach((cell, j) => {
      if (j < from || j >= to || !cell.includes(",")) return;
      if (found.length === 0) found.push({ line, column: j + 1, cell });
      thousands &&= mayBeThousands(cell);
    });
  }
  if (found.length === 0) return false;
  const [{ line, column, cell }] = found;
  const place = `row ${line}, column ${column} is ${shortened(cell)}`;
  if (thousands && separator !== ";") throw new Error(`${place}: expected no comma within a number`);
  const point = body.find(
    (row) => row.text.includes(".") && cellsOf(row.text, separator).slice(from, to).some(hasPoint),
  );
  if (point !== undefined) {
    const at = cellsOf(point.text, separator).findIndex((each, j) => j >= from && hasPoint(each));
    const other = shortened(cellsOf(point.text, separator)[at]);
    throw new Error(`${place}, but row ${point.line}, column ${at + 1} is ${other}: expected one decimal mark`);
  }
  return true;
}

/** @param {string} cell */
function hasPoint(cell) {
  return cell.includes(".") && isNumber(cell);
}

/** @param {Layout} layout @param {Row} row */
function label({ sheet, width }, row) {
  const cell = cellsOf(row.text, sheet.separator)[width - 1];
  if (isMissing(cell)) throw new Error(`row ${row.line}, column ${width} is not a class: ${content(cell)}`);
  return isNumber(cell) ? String(numberIn(cell)) : cell;
}

/** @param {Layout} layout @param {Row} row @param {number} column from 0 */
function refusal({ sheet, width, choices }, row, column) {
  const cell = cellsOf(row.text, sheet.separator)[column] ?? "";
  const hint =
    row === sheet.rows[0]
      ? "If this row holds column names, select this below."
      : isMissing(cell)
        ? ""
        : column === 0 && choices.firstColumn === "input"
          ? "If this column names the rows, select this below."
          : column === width - 1
            ? "If this column holds classes, select this below."
            : "";
  return new Refusal(`row ${row.line}, column ${column + 1} is not a number: ${content(cell)}`, hint);
}

/** @param {string} cell */
function content(cell) {
  return cell === "" ? "it is empty" : shortened(cell);
}
