/** The user's own data: a table with the choices for reading it, or a correlation. */

import { matrixOf } from "./arrays.js";
import { suspected, withClasses } from "./classes.js";
import { change } from "./consequences.js";
import { markInvalid } from "./controls.js";
import { byId } from "./dom.js";
import { counted, sentence, typed } from "./format.js";
import { columnsOf } from "./matrix.js";
import { Note } from "./upload-note.js";
import { layoutOf, readSheet, Refusal, tableOf } from "./sheet.js";

/**
 * @typedef {import("./matrix.js").Matrix} Matrix
 * @typedef {import("./sheet.js").Choices} Choices
 * @typedef {{ table: Matrix, targets: number, remarks: string[] }} Reading
 * @typedef {{ choices: Choices, take: () => Reading }} Offer `take` throws if the table cannot be read this way
 * @typedef {{ name: string, isText: boolean, offer: (wanted: Partial<Choices>) => Offer }} Source
 */

const PASTED = "pasted";
/** @type {[string, keyof Choices][]} */
const CHOICES = [
  ["first-row", "firstRow"],
  ["first-column", "firstColumn"],
  ["last-column", "lastColumn"],
];

export class UploadedData {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    this.note = new Note("data");
    /** @type {Source | null} */
    this.source = null;
    /** @type {Partial<Choices>} choices of the user */
    this.wanted = {};
    /** @type {Choices | null} choices in effect */
    this.choices = null;
    /** @type {Matrix | null} the table in the state, if it comes from this source */
    this.tableInUse = null;
    /** @type {string[]} */
    this.remarks = [];
    this.suspicion = ""; // hint that the last column may be a class
    this.wantedTargets = 0; // 0 if the user chose none
    /** @type {Error | null} */
    this.failure = null;
    byId("data-text").addEventListener("input", () => this.#pasted());
    byId("targets").addEventListener("input", () => this.#targets());
    byId("targets").addEventListener("change", () => this.show(store.state));
    for (const [id, choice] of CHOICES) {
      byId(id).addEventListener("change", () => {
        this.wanted = { ...this.wanted, [choice]: byId(id).value };
        this.#read();
      });
    }
  }

  #forget() {
    this.source = this.choices = this.tableInUse = this.failure = null;
    this.wanted = {};
    this.remarks = [];
    this.suspicion = "";
    this.wantedTargets = 0;
  }

  reset() {
    this.#forget();
    byId("data-text").value = "";
    markInvalid(byId("targets"), "");
    this.show(this.store.state);
  }

  /** @param {import("./state.js").State} state */
  show({ data }) {
    const table = data?.table ?? null;
    const isOwn = this.choices !== null && (this.failure !== null || (table !== null && table === this.tableInUse));
    const isClass = isOwn && this.choices?.lastColumn === "class";
    byId("data-reading").hidden = !isOwn || this.source?.isText !== true;
    byId("data-columns").hidden = table === null && !isOwn;
    byId("last-column-choice").hidden =
      !isOwn || (!isClass && data !== null && data.targets > 1 && this.failure === null);
    byId("whiten-label").hidden = data !== null && data.correlation !== null;
    if (isOwn) for (const [id, choice] of CHOICES) byId(id).value = /** @type {Choices} */ (this.choices)[choice];
    const targets = byId("targets");
    targets.disabled = isClass || table === null;
    if (document.activeElement !== targets || targets.getAttribute("aria-invalid") !== "true") {
      targets.value = table === null ? "" : String(data?.targets);
      markInvalid(targets, "");
    }
    this.#describe(data);
  }

  /** @param {import("./state.js").Data | null} data */
  #describe(data) {
    const inUse = data === null ? "" : described(data);
    if (this.failure !== null) {
      const name = this.source === null || this.source.name === PASTED ? "" : `${this.source.name}: `;
      const hint = this.failure instanceof Refusal ? this.failure.hint : "";
      const still = inUse === "" ? "" : `Still in use: ${inUse}.`;
      const parts = [sentence(`${name}${this.failure.message}`), hint, still].filter((each) => each !== "");
      this.note.refuse(parts.join(" "), name === "");
    } else {
      const own = data !== null && data.table === this.tableInUse;
      const remarks = own ? [...this.remarks, data.targets === 1 ? this.suspicion : ""] : [];
      const text = remarks.filter((each) => each !== "").join(" ");
      this.note.show(text === "" ? inUse : `${inUse}. ${text}`);
    }
  }

  /**
   * @param {string} text
   * @param {string} name
   */
  takeText(text, name) {
    this.#clearText();
    this.#take(sourceOfText(text, name));
  }

  /**
   * @param {import("./npy.js").NpyArray} array
   * @param {string} name
   */
  takeArray(array, name) {
    const table = matrixOf(new Map([["it", array]]), "it", true);
    if (table.columns < 2) throw new Error("it has one column: expected inputs, then targets");
    this.takeLearned({ table, targets: 1 }, name, "");
  }

  /**
   * @param {import("./arrays.js").Learned} learned
   * @param {string} name
   * @param {string} remark
   */
  takeLearned(learned, name, remark) {
    this.#clearText();
    if ("table" in learned) this.#take(sourceOfArrays(learned, name, remark));
    else {
      this.#forget();
      this.remarks = [remark];
      this.#set({ name, table: null, targets: 0, correlation: learned.correlation });
    }
  }

  /** @param {string} text */
  refuse(text) {
    this.note.refuse(text);
    this.note.reveal();
  }

  isShown() {
    return this.note.isShown();
  }

  #pasted() {
    const { value } = byId("data-text");
    if (value.trim() !== "") this.#take(sourceOfText(value, PASTED));
    else if (this.source?.name === PASTED && this.failure !== null) {
      this.#forget();
      this.show(this.store.state);
    }
  }

  #clearText() {
    byId("data-text").value = "";
  }

  /** Use a source; throws if it cannot be read and the form that would show the reason is hidden. @param {Source} source */
  #take(source) {
    this.#forget();
    this.source = source;
    this.#read();
    const { failure } = this;
    if (failure === null || source.name === PASTED) return;
    if (this.isShown()) this.note.reveal();
    else {
      this.#forget(); // the choices are not visible
      this.show(this.store.state);
      throw failure;
    }
  }

  #read() {
    const source = /** @type {Source} */ (this.source);
    const reading = this.#attempt(source);
    if (reading === null) {
      this.show(this.store.state);
      return;
    }
    const { table, remarks } = reading;
    const isNumber = this.choices?.lastColumn === "number";
    const keeps = isNumber && this.wantedTargets > 0 && this.wantedTargets < table.columns;
    this.failure = null;
    this.tableInUse = table;
    this.remarks = remarks;
    this.suspicion = isNumber ? suspected(table) : "";
    const targets = keeps ? this.wantedTargets : reading.targets;
    this.#set({ name: source.name, table, targets, correlation: null });
  }

  /** @param {Source} source @returns {Reading | null} null if it cannot be read this way */
  #attempt(source) {
    try {
      const offer = source.offer(this.wanted);
      this.choices = offer.choices;
      return offer.take();
    } catch (error) {
      this.failure = /** @type {Error} */ (error);
      return null;
    }
  }

  #targets() {
    const { data } = this.store.state;
    if (data === null || data.table === null) return;
    const [targets, maximum] = [typed(byId("targets").value), data.table.columns - 1];
    const fits = Number.isInteger(targets) && targets >= 1 && targets <= maximum;
    markInvalid(byId("targets"), fits ? "" : `expected a whole number from 1 to ${maximum}`);
    if (!fits) return;
    this.wantedTargets = targets;
    this.#set({ ...data, targets });
  }

  /** @param {import("./state.js").Data} data */
  #set(data) {
    change(this.store, { task: "data", data });
  }
}

/** @param {string} text @param {string} name @returns {Source} */
function sourceOfText(text, name) {
  /** @type {import("./sheet.js").Sheet | null} */
  let sheet = null;
  const offer = (/** @type {Partial<Choices>} */ wanted) => {
    const layout = layoutOf((sheet ??= readSheet(text)), wanted);
    return { choices: layout.choices, take: () => reading(layout) };
  };
  return { name, isText: true, offer };
}

/** @param {import("./sheet.js").Layout} layout @returns {Reading} */
function reading(layout) {
  const { table, labels, remarks } = tableOf(layout);
  const all = [...layout.remarks, ...remarks];
  if (labels === null) return { table, targets: 1, remarks: all };
  const { remark, ...classes } = withClasses(table, labels);
  return { ...classes, remarks: [...all, remark] };
}

/**
 * @param {{ table: Matrix, targets: number }} learned
 * @param {string} name
 * @param {string} remark
 * @returns {Source}
 */
function sourceOfArrays({ table, targets }, name, remark) {
  const offer = (/** @type {Partial<Choices>} */ { lastColumn = "number" }) => ({
    choices: /** @type {Choices} */ ({ firstRow: "sample", firstColumn: "input", lastColumn }),
    take: () => {
      if (lastColumn === "number") return { table, targets, remarks: [remark] };
      const last = columnsOf(table, table.columns - 1, table.columns).values;
      const classes = withClasses(columnsOf(table, 0, table.columns - 1), Array.from(last, String));
      return { ...classes, remarks: [remark, classes.remark] };
    },
  });
  return { name, isText: false, offer };
}

/** @param {import("./state.js").Data} data */
function described({ name, table, targets, correlation }) {
  if (correlation !== null) return `${name}: sigma_yx, ${correlation.rows} × ${correlation.columns}`;
  const { rows, columns } = /** @type {Matrix} */ (table);
  return `${name}: ${counted(rows, "sample")}, ${counted(columns - targets, "input")}, ${counted(targets, "target")}`;
}
