/** Says what else changed with a change of the user, and undoes all of it. */

import { byId } from "./dom.js";

export class Undo {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    /** @type {import("./state.js").State} */
    this.before = store.state;
    byId("undo").addEventListener("click", () => {
      byId("changes").hidden = true;
      store.set({ ...this.before, pins: store.state.pins });
    });
  }

  /**
   * Offer to return to a state, if there is something to say about what changed since.
   * @param {import("./state.js").State} before
   * @param {string[]} sentences
   */
  offer(before, sentences) {
    this.before = before;
    byId("changes").hidden = sentences.length === 0;
    byId("changes").querySelector("p").textContent = sentences.join(" ");
  }
}
