/** The panel of phase diagrams: one number of each network, by λ and by the scale of the initial weights. */

import { missingInput } from "./controls.js";
import { byId, make } from "./dom.js";
import { showError } from "./error-banner.js";
import { Figure } from "./figure.js";
import { number } from "./format.js";
import { Job } from "./job.js";
import { clamp, inWords } from "./lambda-range.js";
import { NumberFields, replaced, whole } from "./panel-fields.js";
import { inPageWords } from "./request-labels.js";
import { axesOf, gridOf, indexNear, MAX_COLUMNS, MAX_ROWS } from "./phase-axes.js";
import { PhaseColours } from "./phase-colours.js";
import { phaseAsCsv, phaseAsSvg } from "./phase-files.js";
import { PhaseGrid } from "./phase-grid.js";
import { inputsOf, sameInputs } from "./state.js";
import { phase as request } from "./view-requests.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./phase-grid.js").Diagram} Diagram */

const NEEDS_BALANCED = "λ and scale are those of λ-balanced networks: choose λ-balanced initial weights.";

export class Phase {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    /** @type {{ state: State, diagram: Diagram } | null} the result, and the state for which it was computed */
    this.known = null;
    /** @type {State} */
    this.asked = store.state;
    this.job = new Job("phase", (result) => this.#received(result));
    this.figure = new Figure(byId("phase-picture"), {
      id: "phase",
      title: "Phase diagram",
      subtitle: "click a cell to open its network",
      svg: () => phaseAsSvg(this.#diagram(), this.#about()),
      csv: () => phaseAsCsv(this.#diagram(), /** @type {{ state: State }} */ (this.known).state.phaseWhat),
    });
    this.figure.element.hidden = true;
    this.figure.body.classList.add("has-phase");
    this.grid = new PhaseGrid(this.figure.body, (column, row) => this.#open(column, row));
    this.fields = new NumberFields(store, FIELDS);
    byId("phase-what").addEventListener("change", () => store.set({ phaseWhat: byId("phase-what").value }));
    byId("phase-form").addEventListener("submit", () => this.#run());
    byId("phase-panel").addEventListener("toggle", () => store.set({ phase: byId("phase-panel").open }));
  }

  /** @param {State} state */
  show(state) {
    byId("phase-panel").open = state.phase;
    byId("phase-what").value = state.phaseWhat;
    this.fields.show(state);
    const isBalanced = state.network === "balanced";
    this.job.allow(isBalanced && missingInput(state) === "");
    const { lambdas, scales } = axesOf(state);
    byId("phase-note").textContent = isBalanced
      ? `${lambdas.length} × ${scales.length} networks. ${inWords(state.dims)}`
      : NEEDS_BALANCED;
    this.#mark(state);
  }

  restyle() {
    if (this.known === null) return;
    this.grid.colour();
    this.#legend();
  }

  #diagram() {
    return /** @type {{ diagram: Diagram }} */ (this.known).diagram;
  }

  #about() {
    const { state, diagram } = /** @type {{ state: State, diagram: Diagram }} */ (this.known);
    return `${state.dims.join("-")}, seed ${state.seed}, ${diagram.lambdas.length} × ${diagram.scales.length} networks, by lindyn`;
  }

  #run() {
    if (byId("phase-run").disabled) return;
    if (this.fields.hasRefused()) {
      showError("phase-problem", new Error("Correct the marked fields first."));
      return;
    }
    this.asked = this.store.state;
    this.job.start("v1/sweeps", request(this.asked));
  }

  /** @param {any} result */
  #received(result) {
    const state = this.asked;
    const { "network.lambda": lambdas, "network.scale": scales } = result.coordinates;
    const { values } = result.data[state.phaseWhat];
    const name = byId("phase-what").querySelector(`[value="${state.phaseWhat}"]`).textContent;
    const reasons = reasonsOf(result);
    const reason = (/** @type {number} */ i, /** @type {number} */ j) => reasons.get(`${i},${j}`) ?? "no value";
    this.known = { state, diagram: { lambdas, scales, values, name, reason } };
    this.figure.element.hidden = false;
    this.figure.heading.textContent = name;
    this.grid.draw(this.#diagram());
    this.#legend();
    this.#describe();
    this.#mark(this.store.state);
  }

  #describe() {
    const { values, reason } = this.#diagram();
    const missing = values.flatMap((column, i) => column.flatMap((value, j) => (value === null ? [[i, j]] : [])));
    const text =
      missing.length === 0
        ? []
        : [
            `${number(missing.length, 6)} networks have no value and are hatched. The first: ${reason(missing[0][0], missing[0][1])}`,
          ];
    this.figure.setNotes(text);
  }

  #legend() {
    const colours = new PhaseColours(this.#diagram().values.flat());
    if (colours.isEmpty) {
      this.figure.legend.replaceChildren("No network has a value.");
      return;
    }
    const bar = make("i");
    bar.style.backgroundImage = colours.gradient();
    const end = `${number(colours.high)}${colours.isLog ? " (logarithmic colours)" : ""}`;
    this.figure.legend.replaceChildren(
      make("div", { class: "scale" }, make("span", {}, number(colours.low)), bar, make("span", {}, end)),
    );
  }

  /** Mark the live network in the diagram, and say if the diagram is of other networks. @param {State} state */
  #mark(state) {
    if (this.known === null) return;
    const { lambdas, scales } = this.known.diagram;
    const isOther = !sameInputs(apart(state), apart(this.known.state));
    byId("phase-stale").hidden = !isOther;
    if (isOther) this.grid.mark(-1, -1);
    else this.grid.mark(indexNear(lambdas, state.lambda), indexNear(scales, state.scale));
  }

  /** Open the network of a cell, with the task and the times of its diagram. @param {number} column @param {number} row */
  #open(column, row) {
    const { state, diagram } = /** @type {{ state: State, diagram: Diagram }} */ (this.known);
    this.store.set({ ...inputsOf(state), lambda: diagram.lambdas[column], scale: diagram.scales[row] });
  }
}

/**
 * Why points have no value, by their indices: their problem, or else their warning.
 * @param {{ problems: { index: number[], detail: string }[], warnings: { detail: string, indices: number[][] }[] }} result
 */
function reasonsOf({ problems, warnings }) {
  const reasons = new Map();
  for (const { detail, indices } of warnings)
    for (const index of indices) reasons.set(index.join(","), inPageWords(detail));
  for (const { index, detail } of problems) reasons.set(index.join(","), inPageWords(detail));
  return reasons;
}

/** A state apart from λ and scale, which differ between the cells. @param {State} state @returns {State} */
function apart(state) {
  return { ...state, lambda: 0, scale: 0 };
}

/** @param {number} value @param {State} state */
function feasible(value, { dims }) {
  return clamp(value, dims) === value ? "" : inWords(dims);
}

/** @type {import("./panel-fields.js").NumberField[]} */
const FIELDS = [
  field("lambda-from", "lambdaFrom", 0, (value, state) =>
    value > gridOf(state).lambdaTo ? "expected at most “to”" : feasible(value, state),
  ),
  field("lambda-to", "lambdaTo", 1, (value, state) =>
    value < gridOf(state).lambdaFrom ? "expected at least “from”" : feasible(value, state),
  ),
  field("columns", "columns", 2, whole(1, MAX_COLUMNS)),
  field("scale-from", "scaleFrom", 3, (value, state) =>
    value > 0 && value <= gridOf(state).scaleTo ? "" : "expected a number above 0, at most “to”",
  ),
  field("scale-to", "scaleTo", 4, (value, state) =>
    value >= gridOf(state).scaleFrom && value < 1e30 ? "" : "expected a number of at least “from”",
  ),
  field("rows", "rows", 5, whole(1, MAX_ROWS)),
];

/**
 * @param {string} id
 * @param {keyof import("./phase-axes.js").Grid} name
 * @param {number} index in the grid of the state
 * @param {(value: number, state: State) => string} check
 * @returns {import("./panel-fields.js").NumberField}
 */
function field(id, name, index, check) {
  return {
    id: `phase-${id}`,
    read: (state) => gridOf(state)[name],
    write: (value, state) => ({ phaseGrid: replaced(Object.values(gridOf(state)), index, value) }),
    check,
  };
}
