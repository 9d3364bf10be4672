/** Weights and data of one's own: dropped, chosen or pasted. */

import { consequences } from "./controls.js";
import { readCsv } from "./csv.js";
import { byId, toast } from "./dom.js";
import { fromLists } from "./matrix.js";
import { readNpz } from "./npz.js";

/** @typedef {import("./matrix.js").Matrix} Matrix */
/** @typedef {import("./state.js").State} State */

const MOST_BYTES = 64 * 2 ** 20;
const INPUTS = ["inputs", "task.inputs", "x", "X", "x_train", "X_train"];
const TARGETS = ["targets", "task.targets", "y", "Y", "y_train", "Y_train"];
const CORRELATIONS = ["sigma_yx", "task.sigma_yx"];

export class Own {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    for (const id of ["weights-file", "data-file"]) byId(id).addEventListener("change", () => this.#file(byId(id)));
    byId("weights-text").addEventListener("input", () =>
      this.#try("weights", () => this.#weightsFromText(byId("weights-text").value)),
    );
    byId("data-text").addEventListener("input", () =>
      this.#try("data", () => this.#table(readCsv(byId("data-text").value), "pasted")),
    );
    byId("targets").addEventListener("input", () => this.#targets(Number(byId("targets").value)));
    this.#listenToDrops();
    addEventListener("paste", (event) => {
      const file = event.clipboardData?.files[0];
      if (file !== undefined) this.take(file);
    });
  }

  /** @param {State} state */
  show(state) {
    const { data, weights } = state;
    byId("data-columns").hidden = (data?.table ?? null) === null;
    byId("whiten-label").hidden = data !== null && data.correlation !== null;
    if (data !== null && document.activeElement !== byId("targets")) byId("targets").value = String(data.targets);
    if (data !== null) note("data", describedData(data));
    if (weights !== null)
      note("weights", `${state.weightsName}: ${weights.map(({ rows, columns }) => `${rows} × ${columns}`).join(", ")}`);
  }

  /**
   * Take a file for what is in it.
   * @param {File} file
   */
  async take(file) {
    const kind = file.name.toLowerCase().endsWith(".npz") ? "npz" : "csv";
    try {
      if (file.size > MOST_BYTES) throw new Error("it is larger than 64 MiB");
      if (kind === "npz") this.#archive(await readNpz(await file.arrayBuffer()), file.name);
      else this.#table(readCsv(await file.text()), file.name);
    } catch (error) {
      this.#refuse(file.name, /** @type {Error} */ (error));
    }
  }

  /** @param {HTMLInputElement} input */
  async #file(input) {
    const file = input.files?.[0];
    if (file !== undefined) await this.take(file);
    input.value = "";
  }

  /**
   * @param {Map<string, import("./npz.js").NpyArray>} arrays
   * @param {string} name
   */
  #archive(arrays, name) {
    const found = (/** @type {string[]} */ names) =>
      names.map((each) => asMatrix(arrays.get(each))).find((each) => each !== null) ?? null;
    const [inputs, targets, correlation] = [INPUTS, TARGETS, CORRELATIONS].map(found);
    if (inputs !== null && targets !== null) this.#table(joined(inputs, targets), name, targets.columns);
    else if (correlation !== null) this.#take({ task: "data", data: { name, table: null, targets: 0, correlation } });
    else this.#weights(layersOf(arrays), name);
  }

  /**
   * @param {Matrix[]} weights
   * @param {string} name
   */
  #weights(weights, name) {
    if (weights.length < 2) {
      throw new Error("expected weights (W1, W2, …: two or more matrices), or inputs and targets, or sigma_yx");
    }
    for (let i = 1; i < weights.length; i += 1) {
      const [first, second] = [weights[i - 1], weights[i]];
      if (second.columns !== first.rows) {
        throw new Error(
          `W${i + 1} takes ${second.columns} inputs, but W${i} has ${first.rows} outputs: expected W${i} (hidden, in), first layer first`,
        );
      }
    }
    this.#take({ network: "weights", weights, weightsName: name, ...fittingTask(this.store.state, weights) });
  }

  /** @param {string} text */
  #weightsFromText(text) {
    if (text.trim() === "") return;
    /** @type {unknown} */
    let lists;
    try {
      lists = JSON.parse(text);
    } catch {
      throw new Error("it is no JSON: expected [[[…], …], [[…], …]], W1 and W2 as lists of rows");
    }
    if (!Array.isArray(lists)) throw new Error("expected a list of matrices");
    this.#weights(
      lists.map((each, i) => fromLists(each, `W${i + 1}`)),
      "pasted",
    );
  }

  /**
   * @param {Matrix} table
   * @param {string} name
   * @param {number} [targets]
   */
  #table(table, name, targets = 1) {
    if (table.columns < 2) throw new Error("it has one column: expected inputs, then targets");
    this.#take({ task: "data", data: { name, table, targets, correlation: null } });
  }

  /** @param {number} targets */
  #targets(targets) {
    const { data } = this.store.state;
    if (data === null || data.table === null || !Number.isInteger(targets)) return;
    if (targets < 1 || targets >= data.table.columns) return;
    this.store.set(consequences(this.store.state, { data: { ...data, targets } }));
  }

  /** @param {Partial<State>} changes */
  #take(changes) {
    note("data", "");
    note("weights", "");
    this.store.set(consequences(this.store.state, changes));
  }

  /**
   * @param {"weights" | "data"} kind
   * @param {() => void} act
   */
  #try(kind, act) {
    try {
      act();
    } catch (error) {
      note(kind, /** @type {Error} */ (error).message, true);
    }
  }

  /**
   * @param {string} name
   * @param {Error} error
   */
  #refuse(name, error) {
    const text = `${name}: ${error.message}`;
    note(byId("task").value === "data" ? "data" : "weights", text, true);
    toast(text);
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
      const file = event.dataTransfer?.files[0];
      if (file === undefined) return;
      event.preventDefault();
      this.take(file);
    });
  }
}

/** @param {import("./npz.js").NpyArray | undefined} array @returns {Matrix | null} */
function asMatrix(array) {
  if (array === undefined || array.values === null || array.shape.length === 0 || array.shape.length > 2) return null;
  const [rows, columns] = [array.shape[0], array.shape[1] ?? 1];
  if (rows === 0 || columns === 0) return null;
  if (!array.values.every(Number.isFinite)) throw new Error("it has entries that are not finite numbers");
  return { rows, columns, values: array.values };
}

/**
 * All matrices, in the order of the numbers in their names.
 * @param {Map<string, import("./npz.js").NpyArray>} arrays
 */
function layersOf(arrays) {
  const numbered = (/** @type {string} */ name) => Number(/(\d+)\D*$/.exec(name)?.[1] ?? 0);
  return [...arrays.keys()]
    .filter((name) => arrays.get(name)?.shape.length === 2)
    .sort((a, b) => numbered(a) - numbered(b))
    .map((name) => asMatrix(arrays.get(name)))
    .filter((each) => each !== null);
}

/**
 * @param {Matrix} inputs
 * @param {Matrix} targets
 * @returns {Matrix}
 */
function joined(inputs, targets) {
  if (inputs.rows !== targets.rows)
    throw new Error(`inputs have ${inputs.rows} rows, targets ${targets.rows}: rows are samples`);
  const columns = inputs.columns + targets.columns;
  const values = new Float64Array(inputs.rows * columns);
  for (let i = 0; i < inputs.rows; i += 1) {
    values.set(inputs.values.subarray(i * inputs.columns, (i + 1) * inputs.columns), i * columns);
    values.set(targets.values.subarray(i * targets.columns, (i + 1) * targets.columns), i * columns + inputs.columns);
  }
  return { rows: inputs.rows, columns, values };
}

/** A task that fits weights, where the present one does not. @param {State} state @param {Matrix[]} weights @returns {Partial<State>} */
function fittingTask(state, weights) {
  const [into, out] = [weights[0].columns, weights[weights.length - 1].rows];
  const semantic = state.task === "semantic" && into === out && 2 ** state.levels === into;
  if (semantic || state.task === "regression" || state.task === "data") return {};
  if (state.task === "spectrum") return { spectrum: state.spectrum.slice(0, Math.min(into, out)) };
  return { task: "spectrum", spectrum: state.spectrum.slice(0, Math.min(into, out)) };
}

/** @param {import("./state.js").Data} data */
function describedData({ name, table, targets, correlation }) {
  if (correlation !== null) return `${name}: sigma_yx, ${correlation.rows} × ${correlation.columns}`;
  const { rows, columns } = /** @type {Matrix} */ (table);
  return `${name}: ${rows} samples, ${columns - targets} inputs, ${targets} target${targets === 1 ? "" : "s"}`;
}

/**
 * @param {"weights" | "data"} kind
 * @param {string} text
 * @param {boolean} [wrong]
 */
function note(kind, text, wrong = false) {
  const place = byId(`${kind}-note`);
  place.textContent = text;
  place.classList.toggle("wrong", wrong);
}
