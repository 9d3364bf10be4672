/** The panel of sweeps over λ: starts the job and draws its result. */

import { byId } from "./dom.js";
import { showError } from "./error-banner.js";
import { asCsv, entryOf, Figure } from "./figure.js";
import { feasible } from "./lambda-range.js";
import { warningInWords } from "./answer-text.js";
import { counted, minus, typed } from "./format.js";
import { Job } from "./job.js";
import { Lines } from "./lines.js";
import { inPageWords } from "./request-labels.js";
import { linesAsSvg } from "./svg.js";
import { gapsInWords, sweepModel, tableOf, withSeeds } from "./sweep-models.js";
import { sweep as request } from "./view-requests.js";

const DEFAULT_RANGE = 20;

export class Sweep {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    this.choice = byId("sweep-what");
    /** @type {any} */
    this.result = null;
    this.job = new Job("sweep", (result) => {
      this.result = result;
      this.#draw();
    });
    const pick = (/** @type {number} */ lambda) => {
      if (store.state.network === "balanced") store.set({ lambda: Number(lambda.toPrecision(3)) });
    };
    this.figure = new Figure(byId("sweep-picture"), {
      id: "sweep",
      title: "Sweep",
      subtitle: "click to use this λ",
      svg: () => linesAsSvg(this.lines, this.#title(), "a sweep by lindyn"),
      csv: () => asCsv(withSeeds(this.#table(), /** @type {any} */ (this.lines.model)), "lambda"),
    });
    this.figure.element.hidden = true;
    /** @type {Lines} */
    this.lines = new Lines(this.figure.body, { name: "Sweep", pick, zoom: (range) => this.lines.setZoom(range) });
    this.#reset();
    byId("reset").addEventListener("click", () => this.#reset());
    for (const end of ["from", "to"]) byId(`sweep-${end}`).addEventListener("input", () => (this.isOwnRange = true));
    this.choice.addEventListener("change", () => this.#draw());
    byId("sweep-form").addEventListener("submit", () => this.#run());
    byId("sweep-panel").addEventListener("toggle", () => store.set({ sweep: byId("sweep-panel").open }));
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    byId("sweep-panel").open = state.sweep;
    this.#range(state);
    this.job.allow(state.network === "balanced");
    this.lines.setCursor(state.lambda);
  }

  #reset() {
    for (const [id, value] of Object.entries({ points: "41", seeds: "1" })) byId(`sweep-${id}`).value = value;
    this.isOwnRange = false;
    this.#range(this.store.state);
  }

  /** The feasible range, unless the user has typed another one that is feasible. @param {import("./state.js").State} state */
  #range({ dims }) {
    const { low, high } = feasible(dims);
    const [from, to] = ["from", "to"].map((id) => typed(byId(`sweep-${id}`).value));
    if (this.isOwnRange && from >= low && to <= high && from < to) return;
    this.isOwnRange = false;
    byId("sweep-from").value = minus(String(Math.max(low, -DEFAULT_RANGE)));
    byId("sweep-to").value = minus(String(Math.min(high, DEFAULT_RANGE)));
  }

  #run() {
    if (byId("sweep-run").disabled) return;
    const [from, to, points, seeds] = ["from", "to", "points", "seeds"].map((id) => typed(byId(`sweep-${id}`).value));
    if (!(to > from) || !isWholeWithin(points, 2, 400) || !isWholeWithin(seeds, 1, 50)) {
      const needed = "The sweep needs “to” above “from”, 2 to 400 points and 1 to 50 seeds.";
      showError("sweep-problem", new Error(needed));
      return;
    }
    const all = Array.from(this.choice.options, ({ value }) => value);
    this.job.start("v1/sweeps", request(this.store.state, { from, to, points, seeds }, all));
  }

  #table() {
    return tableOf(this.result, this.choice.value);
  }

  #title() {
    return this.choice.selectedOptions[0].textContent;
  }

  /** Draw the chosen number of the last result. */
  #draw() {
    if (this.result === null) return;
    const table = this.#table();
    const model = sweepModel(table, this.#title(), this.choice.value === "convergence_time");
    const [{ colour }] = model.lines;
    this.figure.element.hidden = false;
    this.figure.heading.textContent = this.#title();
    this.figure.setLegend(
      model.bands === undefined
        ? model.lines.map(entryOf)
        : [{ label: `10–90 % of ${table.seeds.length} seeds`, colour, kind: "band" }, entryOf(model.lines[2])],
    );
    this.lines.setZoom(null);
    this.lines.draw(model);
    this.lines.setCursor(this.store.state.lambda);
    const { problems, warnings } = this.result;
    const failed =
      problems.length === 0
        ? []
        : [`${counted(problems.length, "point")} could not be computed: ${inPageWords(problems[0].detail)}`];
    this.figure.setNotes([...gapsInWords(table), ...failed, ...warned(warnings)]);
  }
}

/**
 * One line for each kind of warning.
 * @param {{ code: string, detail: string, indices: number[][] }[]} warnings
 */
function warned(warnings) {
  return [...new Set(warnings.map(({ code }) => code))].map((code) => {
    const own = warnings.filter((each) => each.code === code);
    const points = new Set(own.flatMap(({ indices }) => indices.map(String)));
    const example = own.every(({ detail }) => detail === own[0].detail) ? "" : " For example:";
    return `At ${counted(points.size, "point")}:${example} ${warningInWords(code, own[0].detail)}`;
  });
}

/** @param {number} value @param {number} minimum @param {number} maximum */
function isWholeWithin(value, minimum, maximum) {
  return Number.isInteger(value) && value >= minimum && value <= maximum;
}
