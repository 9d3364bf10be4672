/** Guesses whether the first row of a table names its columns, and whether its first column names its rows. */

import { isMissing, isNumber, isWhole, shortened } from "./cell.js";
import { cellsOf } from "./csv.js";

const SAMPLED_ROWS = 50;
const MIN_COUNTED = 3; // fewer consecutive numbers may be a coincidence
const CORNER = /^(unnamed: \d+)?$/i;
const NAMES_OF_ROWS = /^(index|id|no\.?|nr\.?|num|number|row|rows|row[ _.]?(names?|id|no|number|index)|obs|case|key)$/i;
const MAX_LISTED = 4;

/**
 * @typedef {import("./sheet.js").Sheet} Sheet
 * @typedef {import("./sheet.js").Row} Row
 * @typedef {{ names: boolean, remarks: string[] }} Guess `remarks`: sentences about uncertain guesses
 */

/**
 * Whether the first row names the columns.
 * @param {Sheet} sheet
 * @param {string[]} cells of the first row
 * @returns {Guess}
 */
export function namesColumns(sheet, cells) {
  const filled = cells.slice(0, sheet.rows[0].filled);
  const row = `Row ${sheet.rows[0].line} (${abbreviated(filled.filter((cell) => cell !== ""))})`;
  const asNames = { names: true, remarks: [`${row} is read as column names.`] };
  const asSample = { names: false, remarks: [`${row} is read as a sample.`] };
  const numbers = filled.filter(isNumber);
  const texts = filled.filter((cell) => !isNumber(cell) && !isMissing(cell));
  if (texts.length > 0) {
    if (numbers.length === 0) return { names: true, remarks: [] };
    const damaged = texts.some((cell) => /^[+-]?[.,]?\d/.test(cell));
    return numbers.every(isWhole) && !damaged ? asNames : { names: false, remarks: [] };
  }
  const corner = filled[0] === "";
  const names = corner ? filled.slice(1) : filled;
  if (names.length === 0 || !names.every(isWhole) || sheet.rows.length < 2) return { names: false, remarks: [] };
  if (isQuoted(sheet, 0) && !isQuoted(sheet, 1)) return asNames;
  const counted = counts(names.map(Number));
  const unlike = isUnlike(sheet, filled.length);
  if (corner)
    return counted || unlike || counts(firstColumn(sheet.rows.slice(1))) ? asNames : { names: false, remarks: [] };
  const ascending = names.every((name, i) => i === 0 || Number(name) > Number(names[i - 1]));
  if ((ascending && unlike) || (counted && names.length >= MIN_COUNTED && names[0] === "0")) return asNames;
  return unlike || (counted && names[0] === "0") ? asSample : { names: false, remarks: [] };
}

/**
 * Whether the first column names the rows.
 * @param {Sheet} sheet
 * @param {Row[]} body
 * @param {string[] | null} header
 * @param {number} width
 * @returns {Guess}
 */
export function namesRows(sheet, body, header, width) {
  const values = firstColumn(body);
  const counted = counts(values) && values.length >= MIN_COUNTED;
  const name = header === null || header.length < width ? "" : header[0];
  const column = `Column 1${name === "" || CORNER.test(name) ? "" : ` (${shortened(name)})`}`;
  const what = counts(values) ? "numbers the rows" : "names the rows";
  const count = countRowNames(header);
  const remark =
    count > 1 ? `Columns 1 to ${count} name the rows and are left out.` : `${column} ${what} and is left out.`;
  const leftOut = { names: true, remarks: [remark] };
  const isCorner = header !== null && CORNER.test(header[0]) && header.some((each) => each !== "");
  if (header !== null && (header.length < width || isCorner)) return leftOut;
  if (values.every(Number.isNaN) && width > 2) {
    const texts = body.map((row) => cellsOf(row.text, sheet.separator)[0]);
    return !texts.some(isMissing) && new Set(texts).size === texts.length && texts.length > 1
      ? leftOut
      : { names: false, remarks: [] };
  }
  if (!counted || width < 3) return { names: false, remarks: [] };
  const whole = body.slice(0, SAMPLED_ROWS).every((row) => isWhole(cellsOf(row.text, sheet.separator)[0]));
  if (whole && (header === null || NAMES_OF_ROWS.test(name))) return leftOut;
  return { names: false, remarks: [`${column} numbers the rows and is read as an input.`] };
}

/**
 * Number of leading columns that name the rows, if the first does: a table that was saved repeatedly has several.
 * @param {string[] | null} header
 */
export function countRowNames(header) {
  const more = (header ?? []).slice(1);
  const end = more.findIndex((name) => name === "" || !CORNER.test(name));
  return 1 + (end < 0 ? more.length : end);
}

/** Whether numbers increase by one, from 0 or 1. @param {number[]} values */
function counts(values) {
  return (values[0] === 0 || values[0] === 1) && values.every((value, i) => value === values[0] + i);
}

/** @param {Row[]} rows */
function firstColumn(rows) {
  return rows.map((row) => row.values[0]);
}

/** Whether all cells of a row are in quotes. @param {Sheet} sheet @param {number} at */
function isQuoted({ rows, separator }, at) {
  const { text } = rows[at];
  return text.split('"').length > 2 * cellsOf(text, separator).filter((cell) => cell !== "").length;
}

/**
 * Whether most columns hold only fractions in the rows below.
 * @param {Sheet} sheet
 * @param {number} columns
 */
function isUnlike({ rows, separator }, columns) {
  const below = rows.slice(1, 1 + SAMPLED_ROWS).map((row) => cellsOf(row.text, separator));
  const fractions = Array.from({ length: columns }, (_, j) =>
    below.every((cells) => isNumber(cells[j] ?? "") && /[.,e]/i.test(cells[j])),
  );
  return 2 * fractions.filter(Boolean).length >= columns;
}

/** @param {string[]} cells */
function abbreviated(cells) {
  return cells.length > MAX_LISTED ? `${cells.slice(0, MAX_LISTED).join(", ")}, …` : cells.join(", ");
}
