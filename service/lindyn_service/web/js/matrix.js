/**
 * Matrices of float64 in row-major order.
 * @typedef {{ rows: number, columns: number, values: Float64Array }} Matrix
 */

/**
 * A matrix as nested lists, for JSON.
 * @param {Matrix} matrix
 */
export function toLists(matrix) {
  return Array.from({ length: matrix.rows }, (_, i) => [
    ...matrix.values.subarray(i * matrix.columns, (i + 1) * matrix.columns),
  ]);
}

/**
 * A matrix from nested lists.
 * @param {unknown} lists
 * @param {string} name for the error
 * @returns {Matrix}
 */
export function fromLists(lists, name) {
  if (!Array.isArray(lists) || lists.length === 0 || !lists.every((row) => Array.isArray(row) && row.length > 0)) {
    throw new Error(`${name} is not a matrix: expected a list of rows, each a list of numbers`);
  }
  const columns = lists[0].length;
  if (lists.some((row) => row.length !== columns)) throw new Error(`${name} has rows of different lengths`);
  const entries = lists.flat();
  const wrong = entries.findIndex((entry) => !Number.isFinite(entry));
  if (wrong >= 0) {
    const position = `row ${Math.floor(wrong / columns) + 1}, column ${(wrong % columns) + 1}`;
    throw new Error(`${name} has no finite number at ${position}: ${JSON.stringify(entries[wrong])}`);
  }
  return { rows: lists.length, columns, values: Float64Array.from(entries) };
}

/**
 * Some columns of a matrix.
 * @param {Matrix} matrix
 * @param {number} first
 * @param {number} last one past the end
 * @returns {Matrix}
 */
export function columnsOf(matrix, first, last) {
  const columns = last - first;
  const values = new Float64Array(matrix.rows * columns);
  for (let i = 0; i < matrix.rows; i += 1) {
    values.set(matrix.values.subarray(i * matrix.columns + first, i * matrix.columns + last), i * columns);
  }
  return { rows: matrix.rows, columns, values };
}

/**
 * A matrix as lossless text for an address.
 * @param {Matrix} matrix
 */
export function toText(matrix) {
  const bytes = new Uint8Array(matrix.values.buffer, matrix.values.byteOffset, matrix.values.byteLength);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  const coded = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return `${matrix.rows}x${matrix.columns}.${coded}`;
}

/**
 * The inverse of `toText`; throws if the text is damaged.
 * @param {string} text
 * @returns {Matrix}
 */
export function fromText(text) {
  const parts = /^(\d{1,6})x(\d{1,6})\.([\w-]+)$/.exec(text);
  if (parts === null) throw new Error("a matrix in the link is damaged");
  const binary = atob(parts[3].replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const [rows, columns] = [Number(parts[1]), Number(parts[2])];
  if (bytes.length !== 8 * rows * columns) throw new Error("a matrix in the link is damaged");
  const values = new Float64Array(bytes.buffer);
  if (!values.every(Number.isFinite)) throw new Error("a matrix in the link is damaged");
  return { rows, columns, values };
}

/**
 * @param {Matrix} matrix
 * @returns {Matrix}
 */
export function transposed({ rows, columns, values }) {
  return {
    rows: columns,
    columns: rows,
    values: values.map((_, at) => values[(at % rows) * columns + Math.floor(at / rows)]),
  };
}
