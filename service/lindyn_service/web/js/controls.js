/** The form beside the pictures: each field is one part of the state. */

import { byId } from "./dom.js";
import { clamp } from "./feasible.js";
import { minus, typed } from "./format.js";
import { dimsOf } from "./request.js";
import { DEFAULTS } from "./state.js";

/** @typedef {import("./state.js").State} State */

const whole = (/** @type {number} */ low, /** @type {number} */ high) => (/** @type {string} */ text) => {
  const value = typed(text);
  if (!Number.isInteger(value) || value < low || value > high)
    throw new Error(`expected a whole number from ${low} to ${high}`);
  return value;
};

const positive = (/** @type {string} */ text) => {
  const value = typed(text);
  if (!(value > 0 && value < 1e30)) throw new Error("expected a number above 0");
  return value;
};

const orZero = (/** @type {string} */ text) => (typed(text) === 0 ? 0 : positive(text));

const seed = whole(0, 2 ** 53 - 1);
const list = (/** @type {string} */ text) =>
  text
    .split(/[\s,;]+/)
    .filter((part) => part !== "")
    .map(typed);

/**
 * Field, part of the state, from text (throws), to text.
 * @type {[string, keyof State, (text: string, state: State) => unknown, ((value: any) => string)?][]}
 */
const FIELDS = [
  ["dims", "dims", widths, (value) => value.join("-")],
  ["scale", "scale", positive],
  ["seed", "seed", seed],
  ["random-seed", "seed", seed],
  ["gain", "gain", orZero],
  ["levels", "levels", whole(1, 6)],
  ["samples", "samples", whole(1, 100_000)],
  ["regression-seed", "taskSeed", seed],
  ["spectrum-seed", "taskSeed", seed],
  ["spectrum", "spectrum", spectrum, (value) => value.join(", ")],
  ["start", "start", orZero],
  ["stop", "stop", positive],
  ["num", "num", whole(2, 2000)],
  ["rate", "rate", positive],
  ["second-seed", "secondSeed", seed],
];
const CHOICES = /** @type {const} */ (["network", "scheme", "task", "spacing"]);
const CHECKS = /** @type {const} */ (["aligned", "whiten", "descent"]);

/** @param {string} text @param {State} state */
function widths(text, state) {
  const values = text
    .split(/[^\d]+/)
    .filter((part) => part !== "")
    .map(Number);
  const most = state.network === "balanced" ? 3 : 9;
  if (values.length < 3 || values.length > most || values.some((value) => value < 1 || value > 1000)) {
    throw new Error(
      most === 3 ? "expected three widths from 1 to 1000, such as 5-5-5" : "expected 3 to 9 widths from 1 to 1000",
    );
  }
  return values;
}

/** @param {string} text */
function spectrum(text) {
  const values = list(text);
  if (values.length === 0 || !values.every((value) => value >= 0 && value < 1e30)) {
    throw new Error("expected numbers from 0 on, such as 5, 4, 3");
  }
  return values;
}

export class Controls {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    for (const [id, name, read] of FIELDS) byId(id).addEventListener("input", () => this.#read(id, name, read));
    for (const name of CHOICES) byId(name).addEventListener("change", () => this.#choose(name, byId(name).value));
    for (const name of CHECKS) byId(name).addEventListener("change", () => store.set({ [name]: byId(name).checked }));
    byId("reset").addEventListener("click", () => store.set({ ...DEFAULTS }));
    for (const form of document.querySelectorAll("form"))
      form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** @param {State} state */
  show(state) {
    for (const [id, name, , write] of FIELDS) {
      const field = byId(id);
      if (document.activeElement === field) continue; // nobody types over what a person types
      field.value = write === undefined ? minus(String(state[name])) : write(state[name]);
      if (field.type === "number") field.value = String(state[name]);
      mark(field, "");
    }
    for (const name of CHOICES) byId(name).value = state[name];
    for (const name of CHECKS) byId(name).checked = state[name];
    for (const part of document.querySelectorAll("[data-for]")) {
      const kinds = /** @type {HTMLElement} */ (part).dataset.for?.split(" ") ?? [];
      const select = part.closest("fieldset")?.querySelector("select");
      /** @type {HTMLElement} */ (part).hidden = !kinds.includes(select?.value ?? "");
    }
    byId("descent-settings").hidden = !state.descent;
    byId("levels-note").textContent = `${2 ** state.levels} items with ${2 ** state.levels} features`;
    byId("start").disabled = false;
  }

  /** What the service refused before, it does no longer. */
  accept() {
    if (document.getElementById("lambda-number-problem") !== null) mark(byId("lambda-number"), "");
  }

  /**
   * What the service refuses is shown at the field that it names.
   * @param {{ path: string, detail: string }[]} errors
   */
  refuse(errors) {
    const fields = /** @type {Record<string, string>} */ ({
      "network.dims": "dims",
      "network.scale": "scale",
      "network.seed": "seed",
      "network.gain": "gain",
      "network.lambda": "lambda-number",
      "task.levels": "levels",
      "task.singular_values": "spectrum",
      "task.samples": "samples",
      times: "stop",
      "times.start": "start",
      "times.stop": "stop",
      "times.num": "num",
      "method.learning_rate": "rate",
    });
    for (const { path, detail } of errors) {
      const id = fields[path] ?? fields[path.split(".").slice(0, 2).join(".")];
      if (id !== undefined) mark(byId(id), detail);
    }
  }

  /**
   * @param {string} id
   * @param {keyof State} name
   * @param {(text: string, state: State) => unknown} read
   */
  #read(id, name, read) {
    const field = byId(id);
    try {
      const value = read(field.value, this.store.state);
      mark(field, "");
      this.store.set(consequences(this.store.state, { [name]: value }));
    } catch (error) {
      mark(field, /** @type {Error} */ (error).message);
    }
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  #choose(name, value) {
    this.store.set(consequences(this.store.state, { [name]: value }));
  }
}

/**
 * What must change with a change, so that the whole still fits together.
 * @param {State} state
 * @param {Partial<State>} changes
 * @returns {Partial<State>}
 */
export function consequences(state, changes) {
  const after = { ...state, ...changes };
  if (after.network === "balanced" && after.dims.length !== 3)
    after.dims = [after.dims[0], after.dims[1], /** @type {number} */ (after.dims.at(-1))];
  if (after.network !== "weights") after.dims = fitted(after, changes);
  if (after.network === "balanced") after.lambda = clamp(after.lambda, after.dims);
  if ("task" in changes && after.task !== state.task) Object.assign(after, horizon(after));
  if ("spacing" in changes && after.spacing === "log" && after.start === 0)
    after.start = Number((after.stop / 1000).toPrecision(2));
  if ("spacing" in changes && after.spacing === "linear") after.start = 0;
  return after;
}

/**
 * Widths that the task needs; where widths were changed so that no hierarchy fits, the task gives way.
 * @param {State} after
 * @param {Partial<State>} changes
 */
function fitted(after, changes) {
  const dims = [...after.dims];
  if (after.task === "semantic") {
    const items = "dims" in changes ? dims[0] : 2 ** after.levels;
    const levels = Math.log2(items);
    if ("dims" in changes && (!Number.isInteger(levels) || levels < 1 || levels > 6 || dims[0] !== dims.at(-1))) {
      after.task = "spectrum";
    } else {
      after.levels = levels;
      const grown = "dims" in changes ? dims[1] : dims[1] === after.dims[0] ? items : dims[1];
      return [items, ...(dims.length === 3 ? [grown] : dims.slice(1, -1)), items];
    }
  }
  if (after.task === "data" && after.data !== null) {
    const { into, out } = widthsOf(after.data);
    dims[0] = into;
    dims[dims.length - 1] = out;
  }
  const most = Math.min(dims[0], /** @type {number} */ (dims.at(-1)));
  if (after.task === "spectrum" && after.spectrum.length > most) after.spectrum = after.spectrum.slice(0, most);
  return dims;
}

/** @param {import("./state.js").Data} data */
export function widthsOf({ table, targets, correlation }) {
  if (correlation !== null) return { into: correlation.columns, out: correlation.rows };
  const { columns } = /** @type {import("./matrix.js").Matrix} */ (table);
  return { into: columns - targets, out: targets };
}

/** A horizon in which there is something to see. @param {State} state @returns {Partial<State>} */
function horizon({ task }) {
  const stop = { semantic: 60, spectrum: 6, regression: 30, data: 30 }[task];
  return { stop, time: stop / 2, start: 0, spacing: "linear" };
}

/**
 * @param {HTMLElement} field
 * @param {string} problem
 */
function mark(field, problem) {
  const id = `${field.id}-problem`;
  document.getElementById(id)?.remove();
  field.toggleAttribute("aria-invalid", false);
  field.removeAttribute("aria-errormessage");
  if (problem === "") return;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-errormessage", id);
  const text = document.createElement("p");
  text.id = id;
  text.className = "note wrong";
  text.setAttribute("role", "alert");
  text.textContent = problem;
  field.after(text);
}

/** Whether weights of one's own are still awaited. @param {State} state */
export function awaited(state) {
  if (state.network === "weights" && state.weights === null) return "Drop or paste your weights: the pictures follow.";
  if (state.task === "data" && state.data === null) return "Drop or paste your data: the pictures follow.";
  return dimsOf(state).length < 3 ? "Two layers at least are needed." : "";
}
