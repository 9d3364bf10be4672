/** The user's own weights and data, from files that are dropped, chosen or pasted. */

import { learnedIn, leftOut, whatIsIn } from "./arrays.js";
import { byId, toast } from "./dom.js";
import { contentOf } from "./files.js";
import { layersIn } from "./layers.js";
import { UploadedData } from "./uploaded-data.js";
import { UploadedWeights } from "./uploaded-weights.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./npy.js").NpyArray} NpyArray */

export class Uploads {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    this.data = new UploadedData(store);
    this.weights = new UploadedWeights(store);
    this.turns = 0; // number of files so far
    byId("weights-file").addEventListener("change", () => this.#chosen(byId("weights-file"), true));
    byId("data-file").addEventListener("change", () => this.#chosen(byId("data-file")));
    this.#listenToDrops();
    addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length > 0) this.take(files);
    });
  }

  /** @param {State} state */
  show(state) {
    this.data.show(state);
    this.weights.show(state);
  }

  /** Discard the user's weights and data. */
  reset() {
    this.data.reset();
    this.weights.reset();
  }

  /**
   * Read a file and use its content, independently of its name.
   * @param {File[]} files
   * @param {boolean} [onlyWeights] whether it was chosen as weights
   */
  async take(files, onlyWeights = false) {
    const names = files.map(({ name }) => name).join(", ");
    const turn = (this.turns += 1);
    toast(""); // clear the message about an earlier file
    try {
      if (files.length > 1) throw new Error("expected one file with all arrays");
      const content = await contentOf(files[0]);
      if (turn !== this.turns) return; // a newer file arrived while this one was read
      if ("arrays" in content) this.#archive(content.arrays, names);
      else if ("text" in content && /^\s*\[/.test(content.text)) this.weights.takeText(content.text, names);
      else if (onlyWeights)
        throw new Error("it is one table: expected an npz with W1 (hidden, in), W2 (out, hidden), …");
      else if ("array" in content) this.data.takeArray(content.array, names);
      else this.data.takeText(content.text, names);
    } catch (error) {
      this.#refuse(names, /** @type {Error} */ (error), onlyWeights);
    }
  }

  /**
   * @param {HTMLInputElement} input
   * @param {boolean} [onlyWeights]
   */
  async #chosen(input, onlyWeights) {
    const files = [...(input.files ?? [])];
    if (files.length > 0) await this.take(files, onlyWeights);
    input.value = "";
  }

  /**
   * @param {Map<string, NpyArray>} arrays
   * @param {string} name
   */
  #archive(arrays, name) {
    if (arrays.has("metadata") && arrays.has("times"))
      throw new Error("it is a result of lindyn: expected weights or data");
    const [learned, trouble] = attempted(() => learnedIn(arrays));
    const layers = layersIn(arrays, learned !== null || trouble !== null);
    if (layers === null && trouble !== null) throw trouble;
    if (learned === null && layers === null) throw new Error(`${EXPECTED}${contentsOf(arrays)}`);
    const used = learned?.names ?? [];
    if (learned !== null) this.data.takeLearned(learned.learned, name, layers === null ? leftOut(arrays, used) : "");
    if (layers !== null) this.weights.takeLayers(layers, arrays, name, used);
  }

  /**
   * Show why a file is refused: next to its field, or as a toast if that field is hidden.
   * @param {string} name
   * @param {Error} error
   * @param {boolean} ofWeights
   */
  #refuse(name, error, ofWeights) {
    const text = `${name}: ${error.message}`;
    const places = ofWeights || /\.np[yz]$/i.test(name) ? [this.weights, this.data] : [this.data, this.weights];
    const place = places.find((each) => each.isShown());
    if (place === undefined) toast(text);
    else place.refuse(text);
  }

  #listenToDrops() {
    const shade = byId("drop");
    addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      shade.hidden = false;
    });
    addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) shade.hidden = true;
    });
    addEventListener("drop", (event) => {
      shade.hidden = true;
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      this.take(files);
    });
  }
}

const EXPECTED = "expected weights (W1, W2, …: two or more matrices), or inputs and targets, or sigma_yx";

/** @param {Map<string, NpyArray>} arrays */
function contentsOf(arrays) {
  const parts = [...arrays].slice(0, 4).map(([name, array]) => `${name}, which ${whatIsIn(array)}`);
  return parts.length === 0 ? "" : `; got ${parts.join("; ")}`;
}

/**
 * The result of a function, or its error; both are null if the function returns null.
 * @template T
 * @param {() => T | null} act
 * @returns {[T | null, Error | null]}
 */
function attempted(act) {
  try {
    return [act(), null];
  } catch (error) {
    return [null, /** @type {Error} */ (error)];
  }
}
