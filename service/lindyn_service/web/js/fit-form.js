/** The form of a fit: which numbers are free, and between which bounds. */

import { byId, make } from "./dom.js";
import { allBounds, applies, boundsOf, isFree, PARAMETERS, withFree } from "./fit-parameters.js";
import { clamp, inWords } from "./lambda-range.js";
import { NumberFields, replaced } from "./panel-fields.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./fit-parameters.js").Parameter} Parameter */

export class FitForm {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    byId("fit-parameters").replaceChildren(...PARAMETERS.map((parameter) => row(parameter)));
    for (const parameter of PARAMETERS) {
      const check = byId(`fit-free-${parameter.name}`);
      check.addEventListener("change", () => store.set({ fitFree: withFree(store.state, parameter, check.checked) }));
    }
    this.fields = new NumberFields(
      store,
      PARAMETERS.flatMap((parameter) => [bound(parameter, 0), bound(parameter, 1)]),
    );
  }

  /** @param {State} state */
  show(state) {
    for (const parameter of PARAMETERS) {
      byId(`fit-row-${parameter.name}`).hidden = !applies(state, parameter);
      byId(`fit-free-${parameter.name}`).checked = isFree(state, parameter);
    }
    this.fields.show(state);
  }

  hasRefused() {
    return this.fields.hasRefused();
  }
}

/** @param {Parameter} parameter */
function row({ name, label }) {
  const input = (/** @type {string} */ end, /** @type {string} */ spoken) =>
    make("input", { id: `fit-${name}-${end}`, inputmode: "decimal", "aria-label": `${label}, ${spoken}` });
  const check = make("input", { type: "checkbox", id: `fit-free-${name}` });
  return make(
    "tr",
    { id: `fit-row-${name}` },
    make("th", { scope: "row" }, make("label", { class: "check" }, check, ` ${label}`)),
    make("td", {}, input("from", "lower bound")),
    make("td", {}, input("to", "upper bound")),
  );
}

/**
 * @param {Parameter} parameter
 * @param {0 | 1} end
 * @returns {import("./panel-fields.js").NumberField}
 */
function bound(parameter, end) {
  const { name, index } = parameter;
  return {
    id: `fit-${name}-${end === 0 ? "from" : "to"}`,
    read: (state) => boundsOf(state, parameter)[end],
    write: (value, state) => {
      const bounds = replaced(boundsOf(state, parameter), end, value);
      return { fitBounds: allBounds(state).toSpliced(index, 2, ...bounds) };
    },
    check: (value, state) => {
      const [from, to] = replaced(boundsOf(state, parameter), end, value);
      if (!(from < to)) return "expected a lower bound below the upper one";
      if (name === "lambda") return clamp(value, state.dims) === value ? "" : inWords(state.dims);
      return from > 0 ? "" : "expected a number above 0";
    },
  };
}
