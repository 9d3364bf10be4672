/** What a file holds, told by its bytes; its name may say anything. */

import { readNpy } from "./npy.js";
import { readNpz } from "./npz.js";
import { namesIn } from "./zip.js";

/** @typedef {import("./npy.js").NpyArray} NpyArray */
/** @typedef {{ text: string } | { array: NpyArray } | { arrays: Map<string, NpyArray> }} Content */

const MOST_BYTES = 64 * 2 ** 20;
const SAMPLED = 4096; // bytes at the beginning that tell whether it is text

const AS_CSV = "save the table as CSV";
const AS_NPZ = "save matrices with numpy.savez";
const OF_TORCH = `a file of PyTorch: ${AS_NPZ}("weights.npz", **{name: p.detach().numpy() for name, p in model.named_parameters()})`;
const OF_MATLAB =
  "a MATLAB file: save the table with writematrix(…, 'data.csv'), or matrices with scipy.io.loadmat and numpy.savez";

/** Beginnings of files that are not read, and what these are. @type {[RegExp, string][]} */
const BEGINNINGS = [
  [/^MATLAB \d\.\d MAT-/, OF_MATLAB],
  [/^\x89HDF\r\n/, `an HDF5 file, as Keras and netCDF write them: ${AS_NPZ}`],
  [/^CDF[\x01\x02\x05]/, `a netCDF file: ${AS_NPZ}`],
  [/^\xd0\xcf\x11\xe0/, `an Excel workbook: ${AS_CSV}`],
  [/^(PAR1[\x00-\x1f]|ARROW1\x00|FEA1\x00)/, `a file of Arrow or Parquet: ${AS_CSV}`],
  [/^RD[AX][23]\n/, "a file of R: save the table with write.csv"],
  [/^SQLite format 3/, `a database of SQLite: ${AS_CSV}`],
  [/^\x1f\x8b/, "compressed by gzip: expand it first, or save it from R with write.csv"],
  [/^(BZh\d|\xfd7zXZ|7z\xbc\xaf|\x28\xb5\x2f\xfd)/, "compressed: expand it first"],
  [/^%PDF-/, `a PDF document: ${AS_CSV}`],
  [/^(\x89PNG|\xff\xd8\xff|GIF8)/, "a picture: expected numbers"],
  [/^\s*<(!doctype|html|\?xml)/i, `a page of the web: ${AS_CSV}`],
  [/^\s*\{/, `an object of JSON: ${AS_CSV}, or weights as [W1, W2]`],
];

/** Entries of zip archives that are no npz, and what these are. @type {[RegExp, string][]} */
const ENTRIES = [
  [/^xl\//, `an Excel workbook: ${AS_CSV}`],
  [/^(content\.xml|mimetype)$/, `an OpenDocument file: ${AS_CSV}`],
  [/(^|\/)data\.pkl$/, OF_TORCH],
  [/\.weights\.h5$/, `a model of Keras: ${AS_NPZ}`],
];

/**
 * @param {File} file
 * @returns {Promise<Content>}
 */
export async function contentOf(file) {
  if (file.size > MOST_BYTES) throw new Error("it is larger than 64 MiB");
  const buffer = await file.arrayBuffer();
  const bytes = new Uint8Array(buffer);
  const beginning = String.fromCharCode(...bytes.subarray(0, 16));
  if (beginning.startsWith("\x93NUMPY")) return { array: readNpy(bytes, "it") };
  if (beginning.startsWith("PK") || /\.npz$/i.test(file.name)) return { arrays: await archive(buffer) };
  const foreign = foreignKind(bytes, beginning, file.name);
  if (foreign !== "") throw new Error(`it is ${foreign}`);
  return { text: decoded(bytes) };
}

/** @param {ArrayBuffer} buffer */
async function archive(buffer) {
  const names = namesIn(buffer);
  if (!names.some((name) => name.endsWith(".npy"))) {
    const kind = ENTRIES.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];
    throw new Error(`it is ${kind ?? "a zip archive without arrays of numpy: expand it first"}`);
  }
  return readNpz(buffer);
}

/**
 * What a file is that is not read; empty where it is text.
 * @param {Uint8Array} bytes
 * @param {string} beginning
 * @param {string} name
 */
function foreignKind(bytes, beginning, name) {
  const known = BEGINNINGS.find(([start]) => start.test(beginning));
  if (known !== undefined) return known[1];
  if (/^\x80[\x02-\x05]/.test(beginning))
    return /\.(pt|pth|ckpt)$/i.test(name) ? OF_TORCH : `a pickle of Python, which is not read: ${AS_NPZ}`;
  if (/\.safetensors$/i.test(name)) return `a file of safetensors: ${AS_NPZ}`;
  if (isWide(bytes) || !bytes.subarray(0, SAMPLED).includes(0)) return "";
  if (/\.mat$/i.test(name)) return OF_MATLAB;
  return "no text: expected CSV, or an npz or npy of numpy";
}

/** Whether it is text of two bytes a character, as Excel writes "Unicode text". @param {Uint8Array} bytes */
function isWide(bytes) {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

/** @param {Uint8Array} bytes */
function decoded(bytes) {
  if (isWide(bytes)) return new TextDecoder(bytes[0] === 0xff ? "utf-16le" : "utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes); // letters of older spreadsheets; numbers are the same
  }
}
