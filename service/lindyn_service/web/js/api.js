/** Client of the HTTP API of the service that serves the page. */

import { askForKey, withKey } from "./api-key.js";
import { typeset } from "./format.js";
import { readNpz } from "./npz.js";
import { labelOf, withLabels } from "./request-labels.js";

const NPZ = "application/x-npz";
const UNAUTHORIZED = 401;

/** An error reply of the service (RFC 9457). */
export class Problem extends Error {
  /**
   * @param {{ code: string, title: string, detail: string, errors?: { path: string, detail: string }[] }} body
   * @param {number | null} retryAfter seconds until the request may succeed
   */
  constructor(body, retryAfter) {
    super(words(body));
    this.code = body.code;
    this.title = body.title;
    this.errors = body.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

/**
 * The message of a problem in the words of the page; for an invalid request, the messages of its fields.
 * @param {{ code: string, detail: string, errors?: { path: string, detail: string }[] }} body
 */
function words({ code, detail, errors = [] }) {
  const inWords = (/** @type {string} */ text) => typeset(withLabels(text));
  if (code !== "invalid-request" || errors.length === 0) return inWords(detail);
  return errors.map((each) => `${labelOf(each.path)}: ${inWords(each.detail)}`).join("; ");
}

/** The service cannot be reached. */
export class Unreachable extends Error {}

/**
 * An answer in npz: arrays by name, the metadata, and its source and times.
 * @typedef {{
 *   meta: any, arrays: Map<string, import("./npz.js").NpyArray>, bytes: ArrayBuffer,
 *   source: string, serverMs: number, totalMs: number,
 * }} Answer
 */

/**
 * @param {string} path relative to the page
 * @param {unknown} body
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answer>}
 */
export async function compute(path, body, signal) {
  const started = performance.now();
  const response = await send("POST", path, { body, signal, accept: NPZ });
  const bytes = await received(response.arrayBuffer());
  const arrays = await readNpz(bytes);
  const meta = JSON.parse(arrays.get("metadata")?.text ?? "{}");
  const timing = /dur=([\d.]+)/.exec(response.headers.get("Server-Timing") ?? "");
  return {
    meta,
    arrays,
    bytes,
    source: response.headers.get("X-Cache") ?? "miss",
    serverMs: timing === null ? NaN : Number(timing[1]),
    totalMs: performance.now() - started,
  };
}

/**
 * A request with a JSON answer.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 */
export async function ask(method, path, body) {
  const response = await send(method, path, { body, accept: "application/json" });
  return received(response.json());
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{ body?: unknown, signal?: AbortSignal, accept: string }} options
 */
async function send(method, path, { body, signal, accept }) {
  /** @type {Record<string, string>} */
  const headers = { Accept: accept };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const content = body === undefined ? undefined : JSON.stringify(body);
  for (;;) {
    const sent = withKey();
    const options = { method, headers: { ...headers, ...sent }, body: content, signal };
    const response = await received(fetch(path, options));
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (response.status !== UNAUTHORIZED) throw problem;
    const another = sent.Authorization !== withKey().Authorization; // the key was entered while this request was sent
    if (!another && !(await askForKey(problem.message))) throw problem;
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 */
async function received(promise) {
  try {
    return await promise;
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new Unreachable("the service does not answer");
  }
}

/** @param {Response} response */
async function problemOf(response) {
  const retry = response.headers.get("Retry-After");
  const seconds = retry === null ? null : Number(retry);
  try {
    return new Problem(await response.json(), seconds);
  } catch {
    // a proxy in between may answer without JSON
    const detail = `the answer is ${response.status} ${response.statusText}`;
    return new Problem({ code: "unexpected", title: "Unexpected answer, perhaps from a proxy", detail }, seconds);
  }
}
