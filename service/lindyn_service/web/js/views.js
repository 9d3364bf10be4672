/** The panels that show more than one network, or a measured curve: bands over seeds, phase diagram, fit. */

import { Bands } from "./bands.js";
import { byId } from "./dom.js";
import { Fit } from "./fit.js";
import { Phase } from "./phase.js";

export class Views {
  /**
   * @param {import("./state.js").Store} store
   * @param {import("./time-picture.js").CursorHandlers} on
   */
  constructor(store, on) {
    this.bands = new Bands(store, on);
    this.phase = new Phase(store);
    this.fit = new Fit(store, on);
    store.subscribe((state, changed) => {
      if (changed.size > 1 || !changed.has("time")) this.show(state);
    });
    byId("reset").addEventListener("click", () => {
      this.fit.measured.remove();
      this.show(store.state); // fields may have been refused, of which the state knows nothing
    });
    this.show(store.state);
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    for (const view of [this.bands, this.phase, this.fit]) view.show(state);
  }

  /** Follow the network that the pictures show. @param {import("./models.js").Run} run */
  follow(run) {
    for (const view of [this.bands, this.fit]) view.follow(run);
  }

  /** Put the cursor at a time. @param {number} time */
  setTime(time) {
    for (const view of [this.bands, this.fit]) view.setTime(time);
  }

  /** Redraw everything in the colours of another theme. */
  restyle() {
    for (const view of [this.bands, this.phase, this.fit]) view.restyle();
  }
}
