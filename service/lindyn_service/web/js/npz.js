/**
 * Reading npz archives of numbers and text.
 * @typedef {{ shape: number[], values: Float64Array | null, text: string | null }} NpyArray
 */

import { unzip } from "./zip.js";

/** @type {Record<string, [number, (view: DataView, at: number, little: boolean) => number]>} */
const READERS = {
  f8: [8, (view, at, little) => view.getFloat64(at, little)],
  f4: [4, (view, at, little) => view.getFloat32(at, little)],
  i8: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
  i4: [4, (view, at, little) => view.getInt32(at, little)],
  i2: [2, (view, at, little) => view.getInt16(at, little)],
  i1: [1, (view, at) => view.getInt8(at)],
  u8: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
  u4: [4, (view, at, little) => view.getUint32(at, little)],
  u2: [2, (view, at, little) => view.getUint16(at, little)],
  u1: [1, (view, at) => view.getUint8(at)],
};

/**
 * All arrays of an archive by their names.
 * @param {ArrayBuffer} buffer
 * @returns {Promise<Map<string, NpyArray>>}
 */
export async function readNpz(buffer) {
  const arrays = new Map();
  for (const [name, bytes] of await unzip(buffer)) {
    if (name.endsWith(".npy")) arrays.set(name.slice(0, -4), readNpy(bytes, name));
  }
  return arrays;
}

/**
 * @param {Uint8Array} bytes
 * @param {string} name
 * @returns {NpyArray}
 */
function readNpy(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(1, 6)) !== "NUMPY") {
    throw new Error(`${name} is no array of numpy`);
  }
  const long = bytes[6] > 1;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (long ? 12 : 10) + length;
  const header = new TextDecoder().decode(bytes.subarray(long ? 12 : 10, start));
  const type = /'descr':\s*'([<>|=]?)(\w)(\d+)'/.exec(header);
  const shape = /'shape':\s*\(([\d, ]*)\)/.exec(header);
  if (type === null || shape === null) throw new Error(`${name} has a type that is not read: only numbers are`);
  const sizes = shape[1]
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  const [order, kind, width] = [type[1], type[2], Number(type[3])];
  if (kind === "U") return { shape: sizes, values: null, text: readText(view, start, width) };
  const values = readNumbers(view, start, kind + width, order !== ">", product(sizes), name);
  return {
    shape: sizes,
    values: header.includes("'fortran_order': True") ? byRows(values, sizes) : values,
    text: null,
  };
}

/**
 * @param {DataView} view
 * @param {number} start
 * @param {string} type
 * @param {boolean} little
 * @param {number} count
 * @param {string} name
 */
function readNumbers(view, start, type, little, count, name) {
  if (!(type in READERS)) throw new Error(`${name} has the type ${type}: expected real numbers`);
  const [width, read] = READERS[type];
  if (start + width * count !== view.byteLength) throw new Error(`${name} does not have as many numbers as it says`);
  if (type === "f8" && little)
    return new Float64Array(view.buffer.slice(view.byteOffset + start, view.byteOffset + view.byteLength));
  const values = new Float64Array(count);
  for (let i = 0; i < count; i += 1) values[i] = read(view, start + width * i, little);
  return values;
}

/**
 * @param {DataView} view
 * @param {number} start
 * @param {number} length
 */
function readText(view, start, length) {
  let text = "";
  for (let i = 0; i < length && start + 4 * i < view.byteLength; i += 1) {
    text += String.fromCodePoint(view.getUint32(start + 4 * i, true));
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
function byRows(values, sizes) {
  if (sizes.length !== 2) return values;
  const [rows, columns] = sizes;
  return values.map((_, at) => values[(at % columns) * rows + Math.floor(at / columns)]);
}
