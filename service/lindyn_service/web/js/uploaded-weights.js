/** The user's own weights: layers of an archive or of pasted lists, and the choice of their order if necessary. */

import { leftOut, matrixOf } from "./arrays.js";
import { change } from "./consequences.js";
import { byId, make } from "./dom.js";
import { sentence } from "./format.js";
import { described, layersIn } from "./layers.js";
import { fromLists, transposed } from "./matrix.js";
import { Note } from "./upload-note.js";

/**
 * @typedef {import("./matrix.js").Matrix} Matrix
 * @typedef {import("./state.js").State} State
 * @typedef {import("./npy.js").NpyArray} NpyArray
 * @typedef {import("./layers.js").Order} Order
 * @typedef {{ orders: Order[], why: string, arrays: Map<string, NpyArray>, name: string, used: string[] }} Given
 */

const PASTED = "pasted";

export class UploadedWeights {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    this.note = new Note("weights");
    /** @type {Given | null} */
    this.given = null;
    /** @type {Matrix[] | null} the weights in the state, if they come from this source */
    this.weightsInUse = null;
    this.remarks = "";
    this.failed = "";
    byId("weights-text").addEventListener("input", () => this.#pasted());
    byId("weights-order").addEventListener("change", () => this.#ordered());
  }

  #forget() {
    this.given = this.weightsInUse = null;
    this.remarks = this.failed = "";
  }

  reset() {
    this.#forget();
    byId("weights-text").value = "";
    this.show(this.store.state);
  }

  /** @param {State} state */
  show({ weights, weightsName }) {
    const isAsked = this.given !== null && this.given.orders.length > 1 && weights === this.weightsInUse;
    byId("weights-order-choice").hidden = !isAsked;
    const inUse =
      weights === null
        ? ""
        : `${weightsName}: ${weights.map(({ rows, columns }) => `${rows} × ${columns}`).join(", ")}`;
    const still = inUse === "" ? "" : ` Still in use: ${inUse}.`;
    if (this.failed !== "") this.note.refuse(`${sentence(this.failed)}${still}`, true);
    else if (weights === null) this.note.show(isAsked ? question(/** @type {Given} */ (this.given)) : "");
    else this.note.show(weights === this.weightsInUse && this.remarks !== "" ? `${inUse}. ${this.remarks}` : inUse);
  }

  /**
   * @param {string} text JSON
   * @param {string} name
   */
  takeText(text, name) {
    const arrays = arraysIn(text);
    const layers = layersIn(arrays, false);
    if (layers === null) throw new Error("expected two matrices or more: [W1, W2]");
    this.takeLayers(layers, arrays, name, []);
  }

  /**
   * @param {import("./layers.js").Layers} layers
   * @param {Map<string, NpyArray>} arrays
   * @param {string} name
   * @param {string[]} used other entries of the archive that are used
   */
  takeLayers(layers, arrays, name, used) {
    if (layers.orders.length === 0) throw new Error(layers.why);
    if (name !== PASTED) byId("weights-text").value = "";
    this.#forget();
    this.given = { ...layers, arrays, name, used };
    if (layers.orders.length === 1) this.#take(layers.orders[0]);
    else this.#ask(this.given);
  }

  /** @param {string} text */
  refuse(text) {
    this.note.refuse(text);
    this.note.reveal();
  }

  isShown() {
    return this.note.isShown();
  }

  /** @param {Given} given */
  #ask(given) {
    const options = given.orders.map((order, i) =>
      make("option", { value: String(i) }, described(order, given.arrays)),
    );
    byId("weights-order").replaceChildren(make("option", { value: "" }, "choose …"), ...options);
    change(this.store, { network: "weights", weights: null });
    this.show(this.store.state);
    this.note.reveal();
  }

  #ordered() {
    const [{ value }, given] = [byId("weights-order"), /** @type {Given} */ (this.given)];
    if (value === "") return;
    try {
      this.#take(given.orders[Number(value)]);
    } catch (error) {
      this.refuse(`${given.name}: ${/** @type {Error} */ (error).message}`);
    }
  }

  /** @param {Order} order */
  #take(order) {
    const { arrays, name, used, orders } = /** @type {Given} */ (this.given);
    const matrices = order.names.map((each) => matrixOf(arrays, each));
    const weights = order.transposed ? matrices.map(transposed) : matrices;
    const isPlain = orders.length === 1 && order.names.every((each) => /\d/.test(each));
    const remarks = [
      isPlain ? "" : `In the order ${described(order, arrays)}.`,
      leftOut(arrays, [...used, ...order.names]),
    ];
    this.weightsInUse = weights;
    this.remarks = remarks.filter((each) => each !== "").join(" ");
    const changes = { weights, weightsName: name, ...fittingTask(this.store.state, weights) };
    change(this.store, { network: "weights", ...changes });
  }

  #pasted() {
    const { value } = byId("weights-text");
    try {
      if (value.trim() === "") this.failed = "";
      else this.takeText(value, PASTED);
    } catch (error) {
      this.failed = /** @type {Error} */ (error).message;
    }
    this.show(this.store.state);
  }
}

/** @param {Given} given */
function question({ name, why }) {
  return `${name}: ${why}. Choose the order below.`;
}

/** Lists of rows as the arrays W1, W2, … @param {string} text @returns {Map<string, NpyArray>} */
function arraysIn(text) {
  /** @type {unknown} */
  let lists;
  try {
    lists = JSON.parse(text);
  } catch {
    throw new Error("it is not JSON: expected [[[…], …], [[…], …]], W1 and W2 as lists of rows");
  }
  if (!Array.isArray(lists)) throw new Error("expected a list of matrices");
  return new Map(
    lists.map((each, i) => {
      const { rows, columns, values } = fromLists(each, `W${i + 1}`);
      return [`W${i + 1}`, { shape: [rows, columns], values, text: null, holds: "" }];
    }),
  );
}

/** A task that fits the weights, if the present one does not. @param {State} state @param {Matrix[]} weights @returns {Partial<State>} */
function fittingTask(state, weights) {
  const [into, out] = [weights[0].columns, weights[weights.length - 1].rows];
  const semantic = state.task === "semantic" && into === out && 2 ** state.levels === into;
  if (semantic || state.task === "regression" || state.task === "data") return {};
  if (state.task === "spectrum") return { spectrum: state.spectrum.slice(0, Math.min(into, out)) };
  return { task: "spectrum", spectrum: state.spectrum.slice(0, Math.min(into, out)) };
}
