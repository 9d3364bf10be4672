/** The measured curve of the user: chosen as a file or pasted. */

import { byId } from "./dom.js";
import { columnOf, readCurve } from "./curve-file.js";
import { contentOf } from "./files.js";
import { counted, number, sentence } from "./format.js";
import { Note } from "./upload-note.js";

/** @typedef {import("./state.js").State} State */

const PASTED = "pasted";

export class Measured {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    this.note = new Note("measured");
    /** @type {string[]} remarks on how the curve was read */
    this.remarks = [];
    this.refusal = "";
    /** @type {import("./matrix.js").Matrix | null} the curve that the remarks are about */
    this.read = null;
    byId("measured-file").addEventListener("change", () => this.#chosen());
    byId("measured-text").addEventListener("input", () => this.#pasted());
    byId("measured-remove").addEventListener("click", () => {
      this.remove();
      byId("measured-file").focus(); // the button is hidden now
    });
  }

  /** @param {State} state */
  show(state) {
    const { measured, measuredName } = state;
    byId("measured-remove").hidden = measured === null;
    if (measured === null || measured !== this.read) this.remarks = [];
    const inUse = measured === null ? "" : `${measuredName}: ${described(measured)}`;
    const parts = [inUse, ...this.remarks].filter((text) => text !== "");
    if (this.refusal === "") this.note.show(parts.length === 1 ? parts[0] : parts.map(sentence).join(" "));
    else {
      const still = inUse === "" ? "" : ` Still in use: ${sentence(inUse)}`;
      this.note.refuse(`${sentence(this.refusal)}${still}`, byId("measured-text").value !== "");
    }
  }

  async #chosen() {
    const input = byId("measured-file");
    const file = input.files?.[0];
    if (file === undefined) return;
    try {
      const content = await contentOf(file);
      if (!("text" in content)) throw new Error("it holds NumPy arrays: expected a table as CSV");
      byId("measured-text").value = "";
      this.#take(content.text, file.name);
    } catch (error) {
      this.#refuse(`${file.name}: ${/** @type {Error} */ (error).message}`);
    }
    input.value = "";
  }

  #pasted() {
    const text = byId("measured-text").value;
    if (text.trim() === "") this.#refuse("");
    else this.#take(text, PASTED);
  }

  /** @param {string} text @param {string} name */
  #take(text, name) {
    try {
      const { curve, remarks } = readCurve(text);
      [this.read, this.remarks, this.refusal] = [curve, remarks, ""];
      this.store.set({ measured: curve, measuredName: name });
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      this.#refuse(name === PASTED ? message : `${name}: ${message}`);
    }
  }

  /** @param {string} reason empty if there is no refusal any more */
  #refuse(reason) {
    this.refusal = reason;
    this.show(this.store.state);
  }

  /** Discard the curve, and text that was refused. */
  remove() {
    byId("measured-text").value = this.refusal = "";
    this.store.set({ measured: null, measuredName: "" });
    this.show(this.store.state);
  }
}

/** @param {import("./matrix.js").Matrix} curve */
function described(curve) {
  const times = columnOf(curve, 0);
  const deviations = curve.columns > 2 ? ", with their standard deviations" : "";
  const [first, last] = [number(times[0]), number(times[times.length - 1])];
  const when = first === last ? `at t = ${first}` : `from t = ${first} to ${last}`;
  return `${counted(curve.rows, "value")} ${when}${deviations}`;
}
