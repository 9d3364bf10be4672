/** Reads zip archives with stored or deflated entries, within limits. */

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const MAX_ENTRIES = 256;
const MAX_BYTES = 2 ** 28;

/**
 * All entries of an archive by their names.
 * @param {ArrayBuffer} buffer
 * @returns {Promise<Map<string, Uint8Array>>}
 */
export async function unzip(buffer) {
  const view = new DataView(buffer);
  const directory = directoryOf(view);
  if (directory.length > MAX_ENTRIES)
    throw new Error(`the archive has ${directory.length} entries, at most ${MAX_ENTRIES} are read`);
  const total = directory.reduce((sum, { size }) => sum + size, 0);
  if (total > MAX_BYTES) throw new Error(`the archive holds more than ${MAX_BYTES / 2 ** 20} MiB`);
  const entries = new Map();
  if (new Set(directory.map(({ name }) => name)).size < directory.length)
    throw new Error("the archive has entries of the same name");
  for (const entry of directory) entries.set(entry.name, await expand(view, entry));
  return entries;
}

/**
 * The names of all entries, without expanding any.
 * @param {ArrayBuffer} buffer
 */
export function namesIn(buffer) {
  return directoryOf(new DataView(buffer)).map(({ name }) => name);
}

/** @param {DataView} view */
function directoryOf(view) {
  const end = findEnd(view);
  const entries = [];
  let at = view.getUint32(end + 16, true);
  for (let i = 0; i < view.getUint16(end + 10, true); i += 1) {
    const entry = readEntry(view, at);
    entries.push(entry);
    at = entry.next;
  }
  return entries;
}

/** @param {DataView} view */
function findEnd(view) {
  const first = Math.max(0, view.byteLength - 22 - 0xffff);
  for (let at = view.byteLength - 22; at >= first; at -= 1) {
    if (view.getUint32(at, true) === END_SIGNATURE) return at;
  }
  throw new Error("this is no npz file: it is not a zip archive");
}

/**
 * @param {DataView} view
 * @param {number} at
 */
function readEntry(view, at) {
  if (at + 46 > view.byteLength || view.getUint32(at, true) !== ENTRY_SIGNATURE)
    throw new Error("the archive is damaged");
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
  const name = new TextDecoder().decode(new Uint8Array(view.buffer, at + 46, nameLength));
  return {
    name,
    method: view.getUint16(at + 10, true),
    packed: view.getUint32(at + 20, true),
    size: view.getUint32(at + 24, true),
    local: view.getUint32(at + 42, true),
    next: at + 46 + nameLength + extraLength + commentLength,
  };
}

/**
 * @param {DataView} view
 * @param {ReturnType<typeof readEntry>} entry
 * @returns {Promise<Uint8Array>}
 */
async function expand(view, entry) {
  const { local } = entry;
  if (local + 30 > view.byteLength || view.getUint32(local, true) !== LOCAL_SIGNATURE)
    throw new Error("the archive is damaged");
  const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  if (start + entry.packed > view.byteLength) throw new Error("the archive is cut short");
  const bytes = new Uint8Array(view.buffer, start, entry.packed);
  if (entry.method === 0) return bytes;
  if (entry.method !== 8) throw new Error(`entry ${entry.name} is neither stored nor deflated`);
  return inflate(bytes, entry);
}

/**
 * @param {Uint8Array} bytes
 * @param {{ name: string, size: number }} entry
 */
async function inflate(bytes, entry) {
  const stream = new Blob([/** @type {any} */ (bytes)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  const whole = new Uint8Array(entry.size);
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (at + value.length > entry.size) throw new Error(`entry ${entry.name} is larger than its header says`);
    whole.set(value, at);
    at += value.length;
  }
  if (at !== entry.size) throw new Error(`entry ${entry.name} is cut short`);
  return whole;
}
