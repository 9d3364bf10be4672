/** Splits CSV text into rows of cells: line ends, comments, quotes and separators. */

import { isNumber } from "./cell.js";

const SEPARATORS = [";", "\t", ",", " "]; // a blank stands for any white space
const SAMPLED_ROWS = 50; // the separator is guessed from the first rows
const MAX_CELL_LINES = 20; // of a quoted cell
const COMMENT = /^\s*(%|#(?!(n\/a|na|num!|div\/0!|value!|ref!|name\?|null!)))/i; // but not Excel's error values
const DECLARED = /^"?sep=([;,|\t])"?$/i; // Excel's declaration of the separator

/** @typedef {{ line: number, text: string }} Line `line`: its number in the text, from 1 */

/**
 * The lines that are not empty, and the separator of their cells.
 * @param {string} text
 * @returns {{ lines: Line[], separator: string }}
 */
export function split(text) {
  const lines = linesOf(text);
  const declared = lines.length === 0 ? null : DECLARED.exec(lines[0].text.trim());
  return declared === null
    ? { lines, separator: separatorOf(lines.slice(0, SAMPLED_ROWS)) }
    : { lines: lines.slice(1), separator: declared[1] };
}

/**
 * The cells of a line, without their quotes.
 * @param {string} text
 * @param {string} separator
 * @returns {string[]}
 */
export function cellsOf(text, separator) {
  if (text.includes('"')) return quoted(text, separator);
  return separator === " " ? text.trim().split(/\s+/) : text.split(separator).map((cell) => cell.trim());
}

/** @param {string} text */
function linesOf(text) {
  const parts = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  /** @type {Line[]} */
  const lines = [];
  for (let at = 0; at < parts.length; at += 1) {
    const line = at + 1;
    if (parts[at].trim() === "" || COMMENT.test(parts[at])) continue;
    const last = isOpen(parts[at]) ? closing(parts, at) : at;
    lines.push({ line, text: parts.slice(at, last + 1).join(" ") });
    at = last;
  }
  return lines;
}

/** Whether a quoted cell continues in the next line. @param {string} text */
function isOpen(text) {
  return text.includes('"') && text.split('"').length % 2 === 0;
}

/** @param {string[]} parts @param {number} at */
function closing(parts, at) {
  for (let end = at + 1; end < Math.min(parts.length, at + MAX_CELL_LINES); end += 1)
    if (isOpen(parts[end])) return end;
  return at;
}

/**
 * The separator that yields the largest share of numbers; the first line may hold names.
 * @param {Line[]} lines
 */
function separatorOf(lines) {
  const body = lines.length > 1 ? lines.slice(1) : lines;
  let [best, bestShare] = [" ", -1];
  for (const separator of SEPARATORS) {
    const rows = body.map(({ text }) => cellsOf(text, separator));
    if (rows.every((row) => row.length < 2)) continue;
    const cells = rows.flat();
    const share = cells.filter(isNumber).length / cells.length;
    if (share > bestShare) [best, bestShare] = [separator, share];
  }
  return best;
}

/** @param {string} text @param {string} separator */
function quoted(text, separator) {
  const cells = [];
  for (const [, within, bare, end] of (separator === " " ? text.trim() : text).matchAll(patternOf(separator))) {
    cells.push((within?.replaceAll('""', '"') ?? bare).trim());
    if (end === "") break;
  }
  return cells;
}

/** A regular expression for a cell with or without quotes and its separator. @param {string} separator */
function patternOf(separator) {
  if (separator === " ") return /\s*(?:"((?:[^"]|"")*)"|(\S*))(\s+|$)/gy;
  const blank = separator === "\t" ? " " : "\\s";
  return new RegExp(`${blank}*(?:"((?:[^"]|"")*)"|([^${separator}]*))${blank}*(\\${separator}|$)`, "gy");
}
