/** Says what else changed with a change of the user, and undoes all of it. */

import { byId } from "./dom.js";

export class Undo {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    /** @type {import("./state.js").State} */
    this.before = store.state;
    byId("undo").addEventListener("click", () => {
      this.withdraw();
      store.set({ ...this.before, pins: store.state.pins });
    });
  }

  /** Offer nothing any more. */
  withdraw() {
    byId("changes").hidden = true;
  }

  /**
   * Offer to return to a state, if there is something to say about what changed since.
   * @param {import("./state.js").State} before
   * @param {Partial<import("./state.js").State>} changes of the user
   * @param {string[]} sentences
   */
  offer(before, changes, sentences) {
    const isTyping = "data" in changes || "weights" in changes; // each line that is typed is a change
    if (isTyping && sentences.length === 0) return;
    this.before = before;
    byId("changes").hidden = sentences.length === 0;
    byId("changes").querySelector("p").textContent = sentences.join(" ");
  }
}
