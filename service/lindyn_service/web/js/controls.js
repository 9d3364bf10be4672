/** The form beside the pictures: each field shows one part of the state. */

import { byId } from "./dom.js";
import { change, widthsOf } from "./consequences.js";
import { minus, typed, typeset } from "./format.js";
import { dimsOf } from "./request.js";
import { fieldOf, withLabels } from "./request-labels.js";
import { BOUNDS, LARGEST_SEED } from "./state.js";

/** @typedef {import("./state.js").State} State */

const wholeNumber =
  (/** @type {readonly [number, number]} */ [low, high]) =>
  (/** @type {string} */ text) => {
    const value = typed(text);
    if (!Number.isInteger(value) || value < low || value > high)
      throw new Error(`expected a whole number from ${low} to ${high === LARGEST_SEED ? "2⁵³ − 1" : high}`);
    return value;
  };

const positive = (/** @type {string} */ text) => {
  const value = typed(text);
  if (!(value > 0 && value < 1e30)) throw new Error("expected a number above 0");
  return value;
};

const zeroOrPositive = (/** @type {string} */ text) => (typed(text) === 0 ? 0 : positive(text));

const seed = wholeNumber(BOUNDS.seed);
const list = (/** @type {string} */ text) =>
  text
    .split(text.includes(";") ? ";" : /[\s,]+/) // between semicolons, commas are decimal marks
    .filter((part) => part.trim() !== "")
    .map(typed);

const listed = (/** @type {number[]} */ values) => values.map((value) => minus(String(value))).join(", ");

const fraction = (/** @type {string} */ text) => {
  const value = typed(text);
  if (!(value >= 0 && value <= 1)) throw new Error("expected a number from 0 to 1");
  return value;
};

const ascending = (/** @type {string} */ text) => {
  const values = list(text);
  if (values.length === 0 || !values.every((value, i) => value > (values[i - 1] ?? 0)))
    throw new Error("expected ascending times above 0, such as 10, 20");
  return values;
};

const factors = (/** @type {string} */ text) => {
  const values = list(text);
  if (values.length === 0 || !values.every((value) => value >= 0))
    throw new Error("expected numbers of at least 0, such as 1, 0.1");
  return values;
};

const rates = (/** @type {string} */ text, /** @type {State} */ state) => {
  const [values, layers] = [list(text), dimsOf(state).length - 1];
  if (values.length !== 0 && (values.length !== layers || !values.every((value) => value > 0)))
    throw new Error(`expected ${layers} numbers above 0, one for each layer, or nothing for rates of 1`);
  return values;
};
/**
 * Id of the field, part of the state, reader of its text (throws), writer of its text.
 * @typedef {[string, keyof State, (text: string, state: State) => unknown, ((value: any) => string)?]} Field
 */

/** @type {Field[]} */
const FIELDS = [
  ["dims", "dims", widths, (value) => value.join("-")],
  ["scale", "scale", positive],
  ["seed", "seed", seed],
  ["random-seed", "seed", seed],
  ["gain", "gain", zeroOrPositive],
  ["levels", "levels", wholeNumber(BOUNDS.levels)],
  ["samples", "samples", wholeNumber(BOUNDS.samples)],
  ["regression-seed", "taskSeed", seed],
  ["spectrum-seed", "taskSeed", seed],
  ["spectrum", "spectrum", spectrum, listed],
  ["start", "start", zeroOrPositive],
  ["stop", "stop", positive],
  ["num", "num", wholeNumber(BOUNDS.num)],
  ["tau", "tau", positive],
  ["rate", "rate", positive],
  ["second-seed", "secondSeed", seed],
  ["decay", "decay", zeroOrPositive],
  ["rates", "rates", rates, listed],
  ["period", "period", positive],
  ["floor", "floor", fraction],
  ["half-life", "halfLife", positive],
  ["change-times", "changeTimes", ascending, listed],
  ["factors", "factors", factors, listed],
];
const CHOICES = /** @type {const} */ (["network", "scheme", "task", "spacing", "schedule", "units"]);
const CHECKS = /** @type {const} */ (["aligned", "whiten", "descent"]);

/** @param {string} text @param {State} state */
function widths(text, state) {
  const parts = text.trim().split(/\s*[-–−,;×x→>]\s*|\s+/);
  const values = parts.map((part) => (/^\d+$/.test(part) ? Number(part) : NaN));
  const maximum = ["balanced", "wide"].includes(state.network) ? 3 : 9;
  if (values.length < 3 || values.length > maximum || !values.every((value) => value >= 1 && value <= 1000)) {
    throw new Error(
      maximum === 3 ? "expected three widths from 1 to 1000, such as 5-5-5" : "expected 3 to 9 widths from 1 to 1000",
    );
  }
  if (state.task === "data" && state.data !== null) {
    const { into, out } = widthsOf(state.data);
    if (values[0] !== into || values.at(-1) !== out)
      throw new Error(`the data have inputs of ${into} numbers and targets of ${out}: expected ${into}-…-${out}`);
  }
  return values;
}

/** @param {string} text @param {State} state */
function spectrum(text, state) {
  const values = list(text);
  if (values.length === 0 || !values.every((value) => value >= 0 && value < 1e30)) {
    throw new Error("expected numbers of at least 0, such as 5, 4, 3");
  }
  const dims = dimsOf(state);
  const maximum = Math.min(dims[0] ?? Infinity, dims.at(-1) ?? Infinity);
  if (values.length > maximum) throw new Error(`expected at most ${maximum} values for widths ${dims.join("-")}`);
  return values;
}

export class Controls {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    for (const field of FIELDS) {
      byId(field[0]).addEventListener("input", () => this.#read(field));
      byId(field[0]).addEventListener("change", () => this.#settle(field));
    }
    for (const name of CHOICES) byId(name).addEventListener("change", () => this.#choose(name, byId(name).value));
    for (const name of CHECKS) byId(name).addEventListener("change", () => this.#choose(name, byId(name).checked));
    for (const form of document.querySelectorAll("form"))
      form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** @param {State} state */
  show(state) {
    for (const each of FIELDS) {
      const field = byId(each[0]);
      if (document.activeElement === field) continue; // do not overwrite what the user is typing
      field.value = textOf(each, state);
      markInvalid(field, "");
    }
    for (const name of CHOICES) byId(name).value = state[name];
    for (const name of CHECKS) byId(name).checked = state[name];
    for (const part of document.querySelectorAll("[data-for]")) {
      const kinds = /** @type {HTMLElement} */ (part).dataset.for?.split(" ") ?? [];
      const select = part.closest("fieldset")?.querySelector("select");
      /** @type {HTMLElement} */ (part).hidden = !kinds.includes(select?.value ?? "");
    }
    byId("dims-note").textContent =
      state.network === "random" ? "in–hidden–…–out, such as 5-5-5 or 5-8-8-5" : "in–hidden–out, such as 5-5-5";
    byId("descent-settings").hidden = !state.descent;
    byId("levels-note").textContent = `${2 ** state.levels} items with ${2 ** state.levels} features`;
    if (state.decay !== 0 || state.rates.length > 0 || state.schedule !== "none") byId("learning").open = true;
  }

  /**
   * Show each refusal of the service at the field that it names.
   * @param {{ path: string, detail: string }[]} errors
   * @returns {string[]} ids of the fields; fewer than errors if some name no visible field
   */
  refuse(errors) {
    return errors.flatMap(({ path, detail }) => {
      const id = fieldOf(path);
      if (id === undefined) return [];
      markInvalid(byId(id), typeset(withLabels(detail)));
      return [id];
    });
  }

  /** @param {Field} field */
  #read([id, name, read]) {
    const field = byId(id);
    try {
      const value = read(field.value, this.store.state);
      markInvalid(field, "");
      change(this.store, { [name]: value });
    } catch (error) {
      markInvalid(field, /** @type {Error} */ (error).message);
    }
  }

  /** When a field loses the focus or Enter is pressed, it shows the value in use, or stays marked as invalid. @param {Field} field */
  #settle(field) {
    const element = byId(field[0]);
    if (element.getAttribute("aria-invalid") !== "true") element.value = textOf(field, this.store.state);
  }

  /**
   * @param {string} name
   * @param {string | boolean} value
   */
  #choose(name, value) {
    change(this.store, { [name]: value });
  }
}

/** The text of a field for a state. @param {Field} field @param {State} state */
function textOf([id, name, , write], state) {
  if (write !== undefined) return write(state[name]);
  return byId(id).type === "number" ? String(state[name]) : minus(String(state[name]));
}

/**
 * @param {HTMLElement} field
 * @param {string} problem
 */
export function markInvalid(field, problem) {
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

/** A sentence about the input that is still missing; empty if nothing is missing. @param {State} state */
export function missingInput(state) {
  if (state.network === "weights" && state.weights === null) return "Drop or paste your weights to see the pictures.";
  if (state.task === "data" && state.data === null) return "Drop or paste your data to see the pictures.";
  return dimsOf(state).length < 3 ? "At least two layers are needed." : "";
}
