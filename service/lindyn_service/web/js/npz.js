/** Reads npz archives: NumPy arrays in a zip. */

import { readNpy } from "./npy.js";
import { unzip } from "./zip.js";

/** @typedef {import("./npy.js").NpyArray} NpyArray */

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
