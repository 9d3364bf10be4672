/** The control of λ: a slider, fine near 0, and a field for any value; both stay in the feasible range. */

import { byId } from "./dom.js";
import { minus, typed } from "./format.js";
import { clamp, feasible, fromSlider, inWords, toSlider } from "./lambda-range.js";

const NOT_CHOSEN = "Choose λ-balanced weights to set λ.";

export class LambdaSlider {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    this.slider = byId("lambda");
    this.field = byId("lambda-number");
    this.note = byId("feasible");
    this.shade = byId("infeasible");
    this.slider.addEventListener("input", () => this.#slid());
    this.field.addEventListener("input", () => this.#typed());
    this.field.addEventListener("change", () => this.#settle());
    this.inputError = ""; // reason why the typed value is invalid
    this.serviceError = ""; // reason why the service refuses the value
    this.slider.addEventListener("dblclick", () => store.set({ lambda: 0 }));
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    const balanced = state.network === "balanced";
    byId("lambda-knob").classList.toggle("off", !balanced);
    this.slider.disabled = this.field.disabled = !balanced;
    const position = toSlider(state.lambda);
    if (this.store.state.lambda !== fromSlider(Number(this.slider.value))) this.slider.value = String(position);
    this.slider.style.setProperty("--place", `${50 * (1 + position)}%`);
    this.slider.setAttribute("aria-valuetext", `λ = ${state.lambda}`);
    if (document.activeElement !== this.field) this.#restore(state);
    this.#explain(state);
  }

  /** Show why the service refuses λ. @param {string} detail */
  refuse(detail) {
    this.serviceError = detail;
    this.#explain(this.store.state);
  }

  /** Clear the refusal of the service. */
  accept() {
    this.serviceError = "";
    this.#explain(this.store.state);
  }

  /** @param {import("./state.js").State} state */
  #restore({ network, lambda }) {
    this.inputError = "";
    this.field.value = network === "balanced" ? minus(String(lambda)) : "";
  }

  /** When the field loses the focus or Enter is pressed, it shows the λ in use, or stays marked as invalid. */
  #settle() {
    if (this.inputError === "") this.#restore(this.store.state);
  }

  /** @param {import("./state.js").State} state */
  #explain({ network, dims, lambda }) {
    const balanced = network === "balanced";
    const { low, high } = feasible(dims);
    this.shade.hidden = !balanced || (low < 0 && high > 0);
    this.shade.dataset.side = low === 0 && high === 0 ? "both" : high === 0 ? "above" : "below";
    const error = !balanced
      ? ""
      : this.inputError !== ""
        ? this.inputError
        : clamp(lambda, dims) !== lambda
          ? infeasible(lambda, dims)
          : this.serviceError;
    if (error === "") this.field.removeAttribute("aria-invalid");
    else this.field.setAttribute("aria-invalid", "true");
    this.#say(error !== "" ? error : balanced ? inWords(dims) : NOT_CHOSEN, error !== "");
  }

  #slid() {
    const { dims } = this.store.state;
    const requested = fromSlider(Number(this.slider.value));
    const lambda = clamp(requested, dims);
    if (lambda !== requested) this.slider.value = String(toSlider(lambda));
    this.#set(lambda);
    this.#restore(this.store.state);
    this.show(this.store.state);
    if (lambda !== requested) this.#say(infeasible(requested, dims), true);
  }

  #typed() {
    const { dims } = this.store.state;
    const lambda = typed(this.field.value);
    const isNumber = Number.isFinite(lambda);
    const fits = isNumber && clamp(lambda, dims) === lambda;
    this.inputError = fits ? "" : isNumber ? infeasible(lambda, dims) : "λ is a number, such as 2.5 or −10.";
    if (fits) this.#set(lambda);
    this.#explain(this.store.state);
  }

  /** @param {number} lambda */
  #set(lambda) {
    this.serviceError = "";
    this.store.set({ lambda });
  }

  /**
   * @param {string} text
   * @param {boolean} wrong
   */
  #say(text, wrong) {
    this.note.classList.toggle("wrong", wrong);
    if (this.note.textContent !== text) this.note.textContent = text;
  }
}

/** @param {number} lambda @param {number[]} dims */
function infeasible(lambda, dims) {
  return `λ = ${minus(String(lambda))} is not feasible. ${inWords(dims)}`;
}
