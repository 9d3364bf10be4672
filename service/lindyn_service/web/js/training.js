/** Gradient descent of the network of the page, drawn over the computed solution. */

import { compute } from "./api.js";
import { byId } from "./dom.js";
import { number } from "./format.js";
import { LatestRequest } from "./latest-request.js";
import { deviation } from "./models.js";
import { descent } from "./request.js";
import { sameInputs } from "./state.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./api.js").Answer} Answer */

export class Training {
  /**
   * @param {import("./state.js").Store} store
   * @param {() => void} changed called when there is another answer, or none
   */
  constructor(store, changed) {
    this.store = store;
    /** @type {{ state: State, answer: Answer } | null} */
    this.trained = null;
    this.latest = new LatestRequest(
      (/** @type {State} */ state, signal) => compute("v1/trajectories", descent(state), signal),
      {
        done: (answer, state) => {
          this.trained = { state, answer };
          changed();
        },
        failed: (error) => {
          this.trained = null;
          this.#say(error.message, true);
          changed();
        },
      },
    );
  }

  /** Train the network of a state, if the state says so. @param {State} state */
  follow(state) {
    this.#say("", false);
    if (state.descent) this.latest.ask(state);
    else {
      this.latest.cancel();
      this.trained = null;
    }
  }

  /** The answer for a run, if it is trained already. @param {State} state @returns {Answer | null} */
  answer(state) {
    const { descent: isOn, units } = this.store.state;
    const fits = this.trained !== null && sameInputs(this.trained.state, state) && this.trained.state.units === units;
    return isOn && fits ? /** @type {{ answer: Answer }} */ (this.trained).answer : null;
  }

  /** Say how far the trained network is from the computed one. @param {import("./models.js").Run} run */
  report(run) {
    if (run.simulated === null) return;
    const steps = number(run.simulated.meta.diagnostics.steps, 6);
    const far = number(100 * deviation(run), 2);
    this.#say(
      `Its loss deviates from the computed one by at most ${far} % of the initial loss, over ${steps} steps.`,
      false,
    );
  }

  /** @param {string} text @param {boolean} isWrong */
  #say(text, isWrong) {
    byId("descent-note").textContent = text;
    byId("descent-note").classList.toggle("wrong", isWrong);
  }
}
