/** Reads a NumPy array (npy). */

import { half, longDoubles } from "./floats.js";

/**
 * @typedef {{ shape: number[], values: Float64Array | null, text: string | null, holds: string }} NpyArray
 * `holds`: description of the content if it is not numbers, else empty
 * @typedef {[number, (view: DataView, at: number, little: boolean) => number]} Reader width in bytes, and decoder of one number
 */

/** @type {Record<string, Reader>} */
const READERS = {
  f8: [8, (view, at, little) => view.getFloat64(at, little)],
  f4: [4, (view, at, little) => view.getFloat32(at, little)],
  f2: [2, (view, at, little) => half(view.getUint16(at, little))],
  i8: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
  i4: [4, (view, at, little) => view.getInt32(at, little)],
  i2: [2, (view, at, little) => view.getInt16(at, little)],
  i1: [1, (view, at) => view.getInt8(at)],
  u8: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
  u4: [4, (view, at, little) => view.getUint32(at, little)],
  u2: [2, (view, at, little) => view.getUint16(at, little)],
  u1: [1, (view, at) => view.getUint8(at)],
  b1: [1, (view, at) => view.getUint8(at)],
};

const MAX_CODE_POINT = 0x10ffff;

/** @type {Record<string, number>} */
const LONG_DOUBLE_BYTES = { f12: 12, f16: 16 };

/** @type {Record<string, string>} */
const UNREADABLE_KINDS = {
  c: "complex numbers",
  M: "dates",
  m: "time differences",
  O: "Python objects (a pickle; only numbers are read)",
  S: "bytes",
  U: "text",
  V: "raw bytes or records",
};

/**
 * @param {Uint8Array} bytes
 * @param {string} name
 * @returns {NpyArray}
 */
export function readNpy(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(1, 6)) !== "NUMPY") {
    throw new Error(`${name} is not a NumPy array`);
  }
  const long = bytes[6] > 1;
  const start = long ? 12 + view.getUint32(8, true) : 10 + view.getUint16(8, true);
  const header = new TextDecoder().decode(bytes.subarray(long ? 12 : 10, start));
  const type = /'descr':\s*'([<>|=]?)(\w)(\d*)[^']*'/.exec(header);
  const shape = shapeIn(header);
  if (shape === null) throw new Error(`${name} is not a NumPy array`);
  if (type === null) return { shape, values: null, text: null, holds: "records" };
  const [, order, kind, width] = type;
  if (!(kind + width in READERS || kind + width in LONG_DOUBLE_BYTES)) {
    const text = kind === "U" && order !== ">" ? readText(view, start, Number(width)) : null;
    return { shape, values: null, text, holds: UNREADABLE_KINDS[kind] ?? `the type ${kind}${width}` };
  }
  const values = readNumbers(view, start, kind + width, order !== ">", product(shape), name);
  if (values === null) return { shape, values, text: null, holds: "long doubles of another kind of processor" };
  const columnMajor = header.includes("'fortran_order': True");
  return {
    shape,
    values: columnMajor ? toRowMajor(values, shape) : values,
    text: null,
    holds: kind === "b" ? "booleans" : "",
  };
}

/** @param {string} header */
function shapeIn(header) {
  const shape = /'shape':\s*\(([\d, ]*)\)/.exec(header);
  if (shape === null) return null;
  return shape[1]
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
}

/**
 * @param {DataView} view
 * @param {number} start
 * @param {string} type
 * @param {boolean} little
 * @param {number} count
 * @param {string} name
 * @returns {Float64Array | null} null for long doubles of other processors
 */
function readNumbers(view, start, type, little, count, name) {
  const width = LONG_DOUBLE_BYTES[type] ?? READERS[type][0];
  if (start + width * count !== view.byteLength)
    throw new Error(`${name} has another number of entries than its header declares`);
  if (type in LONG_DOUBLE_BYTES) return little ? longDoubles(view, start, width, count) : null;
  if (type === "f8" && little)
    return new Float64Array(view.buffer.slice(view.byteOffset + start, view.byteOffset + view.byteLength));
  const values = new Float64Array(count);
  for (let i = 0; i < count; i += 1) values[i] = READERS[type][1](view, start + width * i, little);
  return values;
}

/**
 * @param {DataView} view
 * @param {number} start
 * @param {number} length
 */
function readText(view, start, length) {
  let text = "";
  for (let i = 0; i < length && start + 4 * i + 4 <= view.byteLength; i += 1) {
    const code = view.getUint32(start + 4 * i, true);
    text += code > MAX_CODE_POINT ? "\uFFFD" : String.fromCodePoint(code);
  }
  return text;
}

/** @param {number[]} sizes */
function product(sizes) {
  return sizes.reduce((all, size) => all * size, 1);
}

/**
 * Column-major to row-major, for matrices.
 * @param {Float64Array} values
 * @param {number[]} sizes
 */
function toRowMajor(values, sizes) {
  if (sizes.length !== 2) return values;
  const [rows, columns] = sizes;
  return values.map((_, at) => values[(at % columns) * rows + Math.floor(at / columns)]);
}
