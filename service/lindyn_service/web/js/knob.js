/** The knob for λ: a slider, fine near 0, and a field for any value; neither leaves what is feasible. */

import { byId } from "./dom.js";
import { minus, typed } from "./format.js";
import { clamp, feasible, fromSlider, inWords, toSlider } from "./feasible.js";

export class Knob {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    this.slider = byId("lambda");
    this.field = byId("lambda-number");
    this.note = byId("feasible");
    this.shade = byId("infeasible");
    this.slider.addEventListener("input", () => this.#slid());
    this.field.addEventListener("input", () => this.#typed());
    this.field.addEventListener("change", () => this.show(store.state));
    this.slider.addEventListener("dblclick", () => store.set({ lambda: 0 }));
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    const balanced = state.network === "balanced";
    byId("lambda-knob").classList.toggle("off", !balanced);
    this.slider.disabled = this.field.disabled = !balanced;
    const place = toSlider(state.lambda);
    if (this.store.state.lambda !== fromSlider(Number(this.slider.value))) this.slider.value = String(place);
    this.slider.style.setProperty("--place", `${50 * (1 + place)}%`);
    this.slider.setAttribute("aria-valuetext", `λ = ${state.lambda}`);
    if (document.activeElement !== this.field) this.field.value = minus(String(state.lambda));
    this.#explain(state);
  }

  /** @param {import("./state.js").State} state */
  #explain({ network, dims }) {
    const { low, high } = feasible(dims);
    this.shade.hidden = network !== "balanced" || (low < 0 && high > 0);
    this.shade.dataset.side = low === 0 && high === 0 ? "both" : high === 0 ? "above" : "below";
    this.field.removeAttribute("aria-invalid");
    this.note.classList.remove("wrong");
    this.note.textContent =
      network === "balanced" ? inWords(dims) : "λ is what the weights have; choose λ-balanced weights to move it.";
  }

  #slid() {
    const { dims } = this.store.state;
    const wanted = fromSlider(Number(this.slider.value));
    const lambda = clamp(wanted, dims);
    if (lambda !== wanted) this.slider.value = String(toSlider(lambda));
    this.field.value = minus(String(lambda));
    this.store.set({ lambda });
    this.show(this.store.state);
    if (lambda !== wanted) this.#refuse(`λ = ${minus(String(wanted))} is not feasible. ${inWords(dims)}`);
  }

  #typed() {
    const { dims } = this.store.state;
    const lambda = typed(this.field.value);
    if (!Number.isFinite(lambda)) this.#refuse("λ is a number, such as 2.5 or −10.");
    else if (clamp(lambda, dims) !== lambda)
      this.#refuse(`λ = ${minus(String(lambda))} is not feasible. ${inWords(dims)}`);
    else this.store.set({ lambda });
  }

  /** @param {string} text */
  #refuse(text) {
    this.field.setAttribute("aria-invalid", "true");
    this.note.classList.add("wrong");
    this.note.textContent = text;
  }
}
