/**
 * Fields of the panels below the pictures; each shows one number of the state.
 * @typedef {import("./state.js").State} State
 * @typedef {{
 *   id: string, read: (state: State) => number, write: (value: number, state: State) => Partial<State>,
 *   check: (value: number, state: State) => string,
 * }} NumberField `check` returns the reason why a number is refused; empty if it is accepted
 */

import { markInvalid } from "./controls.js";
import { byId } from "./dom.js";
import { minus, typed } from "./format.js";

export class NumberFields {
  /**
   * @param {import("./state.js").Store} store
   * @param {NumberField[]} fields
   */
  constructor(store, fields) {
    this.store = store;
    this.fields = fields;
    for (const field of fields) {
      const input = byId(field.id);
      input.addEventListener("input", () => this.#read(field, input));
      input.addEventListener("change", () => this.#settle(field, input));
    }
  }

  /** @param {State} state */
  show(state) {
    for (const field of this.fields) {
      const input = byId(field.id);
      if (document.activeElement === input) continue; // do not overwrite what the user is typing
      input.value = minus(String(field.read(state)));
      markInvalid(input, "");
    }
  }

  /** Whether a field has a number that was refused. */
  hasRefused() {
    return this.fields.some(({ id }) => byId(id).getAttribute("aria-invalid") === "true");
  }

  /** @param {NumberField} field @param {HTMLInputElement} input */
  #read(field, input) {
    const value = typed(input.value);
    const problem = Number.isFinite(value) ? field.check(value, this.store.state) : "expected a number";
    markInvalid(input, problem);
    if (problem === "") this.store.set(field.write(value, this.store.state));
  }

  /**
   * When a field loses the focus or Enter is pressed, it shows the number in use, or stays marked as invalid.
   * @param {NumberField} field
   * @param {HTMLInputElement} input
   */
  #settle(field, input) {
    if (input.getAttribute("aria-invalid") !== "true") input.value = minus(String(field.read(this.store.state)));
  }
}

/**
 * A check for whole numbers within bounds.
 * @param {number} low
 * @param {number} high
 */
export function whole(low, high) {
  return (/** @type {number} */ value) =>
    Number.isInteger(value) && value >= low && value <= high ? "" : `expected a whole number from ${low} to ${high}`;
}

/**
 * A list with one entry replaced.
 * @param {number[]} list
 * @param {number} index
 * @param {number} value
 */
export function replaced(list, index, value) {
  return list.map((each, i) => (i === index ? value : each));
}
