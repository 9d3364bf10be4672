/** Recognises the format of a file by its first bytes, since its name may be wrong. */

import { readNpy } from "./npy.js";
import { readNpz } from "./npz.js";
import { namesIn } from "./zip.js";

/** @typedef {import("./npy.js").NpyArray} NpyArray */
/** @typedef {{ text: string } | { array: NpyArray } | { arrays: Map<string, NpyArray> }} Content */

const MAX_BYTES = 64 * 2 ** 20;
const SAMPLED_BYTES = 4096; // tested for binary content

const AS_CSV = "save the table as CSV";
const AS_NPZ = "save matrices with numpy.savez";
const TORCH_FILE = `a PyTorch file: ${AS_NPZ}("weights.npz", **{name: p.detach().numpy() for name, p in model.named_parameters()})`;
const MATLAB_FILE =
  "a MATLAB file: save the table with writematrix(…, 'data.csv'), or matrices with scipy.io.loadmat and numpy.savez";

/** Formats that are not read, by the beginning of the file. @type {[RegExp, string][]} */
const FOREIGN_FORMATS = [
  [/^MATLAB \d\.\d MAT-/, MATLAB_FILE],
  [/^\x89HDF\r\n/, `an HDF5 file, as Keras and netCDF write them: ${AS_NPZ}`],
  [/^CDF[\x01\x02\x05]/, `a netCDF file: ${AS_NPZ}`],
  [/^\xd0\xcf\x11\xe0/, `an Excel workbook: ${AS_CSV}`],
  [/^(PAR1[\x00-\x1f]|ARROW1\x00|FEA1\x00)/, `an Arrow or Parquet file: ${AS_CSV}`],
  [/^RD[AX][23]\n/, "an R file: save the table with write.csv"],
  [/^SQLite format 3/, `an SQLite database: ${AS_CSV}`],
  [/^\x1f\x8b/, "compressed with gzip: expand it first, or save it from R with write.csv"],
  [/^(BZh\d|\xfd7zXZ|7z\xbc\xaf|\x28\xb5\x2f\xfd)/, "compressed: expand it first"],
  [/^%PDF-/, `a PDF document: ${AS_CSV}`],
  [/^(\x89PNG|\xff\xd8\xff|GIF8)/, "an image: expected numbers"],
  [/^\s*<(!doctype|html|\?xml)/i, `a web page: ${AS_CSV}`],
  [/^\s*\{/, `a JSON object: ${AS_CSV}, or weights as [W1, W2]`],
];

/** Formats of zip archives that are not npz, by the names of their entries. @type {[RegExp, string][]} */
const FOREIGN_ARCHIVES = [
  [/^xl\//, `an Excel workbook: ${AS_CSV}`],
  [/^(content\.xml|mimetype)$/, `an OpenDocument file: ${AS_CSV}`],
  [/(^|\/)data\.pkl$/, TORCH_FILE],
  [/\.weights\.h5$/, `a Keras model: ${AS_NPZ}`],
];

/**
 * @param {File} file
 * @returns {Promise<Content>}
 */
export async function contentOf(file) {
  if (file.size > MAX_BYTES) throw new Error("it is larger than 64 MiB");
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
    const kind = FOREIGN_ARCHIVES.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];
    throw new Error(`it is ${kind ?? "a zip archive without NumPy arrays: expand it first"}`);
  }
  return readNpz(buffer);
}

/**
 * The format of a file that is not read; empty if it is text.
 * @param {Uint8Array} bytes
 * @param {string} beginning
 * @param {string} name
 */
function foreignKind(bytes, beginning, name) {
  const known = FOREIGN_FORMATS.find(([start]) => start.test(beginning));
  if (known !== undefined) return known[1];
  if (/^\x80[\x02-\x05]/.test(beginning))
    return /\.(pt|pth|ckpt)$/i.test(name) ? TORCH_FILE : `a Python pickle, which is not read: ${AS_NPZ}`;
  if (/\.safetensors$/i.test(name)) return `a safetensors file: ${AS_NPZ}`;
  if (isUtf16(bytes) || !bytes.subarray(0, SAMPLED_BYTES).includes(0)) return "";
  if (/\.mat$/i.test(name)) return MATLAB_FILE;
  return "not text: expected CSV, npz or npy";
}

/** Whether bytes are UTF-16 text with a byte order mark, as Excel's "Unicode text". @param {Uint8Array} bytes */
function isUtf16(bytes) {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

/** @param {Uint8Array} bytes */
function decoded(bytes) {
  if (isUtf16(bytes)) return new TextDecoder(bytes[0] === 0xff ? "utf-16le" : "utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes); // older spreadsheets; digits are the same in all encodings
  }
}
