/** Changes that the user makes, with all that must change with them, in words. */

import { clamp, inWords } from "./lambda-range.js";
import { minus } from "./format.js";

/** @typedef {import("./state.js").State} State */

/**
 * Make a change of the user with its consequences.
 * @param {import("./state.js").Store} store
 * @param {Partial<State>} changes
 */
export function change(store, changes) {
  const before = store.state;
  store.set(withConsequences(before, changes));
  store.changedByUser(before, changes);
}

/**
 * Extend changes by all that must change with them to keep the state consistent.
 * @param {State} state
 * @param {Partial<State>} changes
 * @returns {Partial<State>}
 */
export function withConsequences(state, changes) {
  const after = { ...state, ...changes };
  if (["balanced", "wide"].includes(after.network) && after.dims.length !== 3)
    after.dims = [after.dims[0], after.dims[1], /** @type {number} */ (after.dims.at(-1))];
  if (after.network !== "weights") after.dims = fitted(after, changes);
  if (after.network === "balanced") after.lambda = clamp(after.lambda, after.dims);
  if ("task" in changes && after.task !== state.task && after.fitTime) Object.assign(after, horizon(after));
  if ("spacing" in changes && after.spacing === "log" && after.start === 0)
    after.start = Number((after.stop / 1000).toPrecision(2));
  if ("spacing" in changes && after.spacing === "linear") after.start = 0;
  if ("stop" in changes) after.fitTime = false;
  return after;
}

/**
 * Widths that the task requires; if the user chose widths that no hierarchy has, the task changes instead.
 * @param {State} after
 * @param {Partial<State>} changes
 */
function fitted(after, changes) {
  const dims = [...after.dims];
  if (after.task === "semantic") {
    const items = "dims" in changes ? dims[0] : 2 ** after.levels;
    const levels = Math.log2(items);
    if ("dims" in changes && (!Number.isInteger(levels) || levels < 1 || levels > 6 || dims[0] !== dims.at(-1))) {
      after.task = "spectrum";
    } else {
      after.levels = levels;
      const grown = "dims" in changes ? dims[1] : dims[1] === after.dims[0] ? items : dims[1];
      return [items, ...(dims.length === 3 ? [grown] : dims.slice(1, -1)), items];
    }
  }
  if (after.task === "data" && after.data !== null) {
    const { into, out } = widthsOf(after.data);
    dims[0] = into;
    dims[dims.length - 1] = out;
    const [least, before] = [Math.min(into, out), Math.min(after.dims[0], after.dims[after.dims.length - 1])];
    const isFree = after.network === "balanced" && !("dims" in changes);
    if (isFree && (dims[1] > least || dims[1] === before)) dims[1] = least; // so that every λ is feasible
  }
  const maximum = Math.min(dims[0], /** @type {number} */ (dims.at(-1)));
  if (after.task === "spectrum" && after.spectrum.length > maximum) after.spectrum = after.spectrum.slice(0, maximum);
  return dims;
}

/** @param {import("./state.js").Data} data */
export function widthsOf({ table, targets, correlation }) {
  if (correlation !== null) return { into: correlation.columns, out: correlation.rows };
  const { columns } = /** @type {import("./matrix.js").Matrix} */ (table);
  return { into: columns - targets, out: targets };
}

/** A horizon to begin with, until it is fitted to the learning of a task. @param {State} state @returns {Partial<State>} */
function horizon({ task }) {
  const stop = { semantic: 60, spectrum: 6, regression: 30, data: 30 }[task];
  return { stop, time: stop / 2 };
}

/**
 * Sentences about everything that changed although the user did not change it.
 * @param {State} before
 * @param {State} after
 * @param {Partial<State>} changes of the user
 */
export function consequences(before, after, changes) {
  const changed = (/** @type {keyof State} */ name) =>
    !(name in changes) && String(before[name]) !== String(after[name]);
  const widths = after.dims.join("-");
  return [
    changed("task") ? `No hierarchy has the widths ${widths}, so the task is now “My own spectrum”.` : "",
    changed("dims") ? `The widths are now ${widths}, so that they fit.` : "",
    changed("levels") && after.task === "semantic"
      ? `The tree now has ${2 ** after.levels} items, as many as inputs.`
      : "",
    changed("lambda") ? `λ is now ${minus(String(after.lambda))}. ${inWords(after.dims)}` : "",
    changed("spectrum") ? `The spectrum is now ${after.spectrum.join(", ")}: the widths allow no more values.` : "",
    changed("start") && after.spacing === "log"
      ? `The times now start at ${after.start}: a logarithmic axis has no 0.`
      : "",
  ].filter((text) => text !== "");
}
