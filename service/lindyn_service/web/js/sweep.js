/** The panel of sweeps over λ: starts the job and draws its result. */

import { ofModes, token } from "./colours.js";
import { byId } from "./dom.js";
import { asCsv, Figure } from "./figure.js";
import { feasible } from "./lambda-range.js";
import { minus, typed } from "./format.js";
import { Job } from "./job.js";
import { Lines } from "./lines.js";
import { sweep as request } from "./request.js";
import { linesAsSvg } from "./svg.js";
import { showError } from "./error-banner.js";

const DEFAULT_RANGE = 20;

export class Sweep {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    this.job = new Job("sweep", (result) => this.#draw(result));
    this.what = "";
    const pick = (/** @type {number} */ lambda) => {
      if (store.state.network === "balanced") store.set({ lambda: Number(lambda.toPrecision(3)) });
    };
    this.figure = new Figure(byId("sweep-picture"), {
      id: "sweep",
      title: "Sweep",
      subtitle: "click to use this λ",
      svg: () => linesAsSvg(this.lines, this.title, "a sweep by lindyn"),
      csv: () => asCsv(/** @type {any} */ (this.lines.model), "lambda"),
    });
    this.figure.element.hidden = true;
    /** @type {Lines} */
    this.lines = new Lines(this.figure.body, { name: "Sweep", pick, zoom: (range) => this.lines.setZoom(range) });
    this.title = "Sweep";
    for (const [id, value] of Object.entries({ points: "41", seeds: "1" })) byId(`sweep-${id}`).value = value;
    byId("sweep-form").addEventListener("submit", () => this.#run());
    byId("sweep-panel").addEventListener("toggle", () => store.set({ sweep: byId("sweep-panel").open }));
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    byId("sweep-panel").open = state.sweep;
    const { low, high } = feasible(state.dims);
    const [from, to] = ["from", "to"].map((id) => typed(byId(`sweep-${id}`).value));
    if (!(from >= low && to <= high && from < to)) {
      byId("sweep-from").value = minus(String(Math.max(low, -DEFAULT_RANGE)));
      byId("sweep-to").value = minus(String(Math.min(high, DEFAULT_RANGE)));
    }
    this.job.allow(state.network === "balanced");
    this.lines.setCursor(state.lambda);
  }

  #run() {
    if (byId("sweep-run").disabled) return;
    const [from, to, points, seeds] = ["from", "to", "points", "seeds"].map((id) => typed(byId(`sweep-${id}`).value));
    if (!(to > from) || !isWholeWithin(points, 2, 400) || !isWholeWithin(seeds, 1, 50)) {
      const needed = "The sweep needs “to” above “from”, 2 to 400 points and 1 to 50 seeds.";
      showError("sweep-problem", new Error(needed));
      return;
    }
    this.what = byId("sweep-what").value;
    this.title = byId("sweep-what").selectedOptions[0].textContent;
    this.job.start("v1/sweeps", request(this.store.state, { what: this.what, from, to, points, seeds }));
  }

  /** @param {any} result */
  #draw(result) {
    const { what } = this;
    const x = Float64Array.from(result.coordinates["network.lambda"]);
    const { values } = result.data[what];
    /** @type {(number | null)[][]} */
    const runs = Array.isArray(values[0])
      ? values[0].map((/** @type {unknown} */ _, /** @type {number} */ i) =>
          values.map((/** @type {any} */ row) => row[i]),
        )
      : [values];
    const several = runs.length > 1;
    const colours = ofModes(runs.length);
    const base = result.request.base ?? {};
    const seed = (/** @type {number} */ i) => result.coordinates["network.seed"]?.[i] ?? base.network?.seed;
    const lines = runs.map((run, i) => ({
      label: `seed ${seed(i)}`,
      values: run,
      colour: several ? colours[i] : token("first"),
      width: several ? 1 : 2,
    }));
    if (several) lines.push({ label: "mean", values: mean(runs), colour: token("ink"), width: 2.4 });
    this.figure.element.hidden = false;
    this.figure.heading.textContent = this.title;
    this.figure.setLegend(
      several
        ? [
            { label: `${runs.length} seeds`, colour: "", kind: "ramp", colours },
            { label: "mean", colour: token("ink"), kind: "line" },
          ]
        : [{ label: this.title, colour: token("first"), kind: "line" }],
    );
    this.lines.setZoom(null);
    this.lines.draw({
      x,
      xLabel: "λ",
      xName: "λ",
      lines,
      yLabel: this.title,
      yLog: what === "final_loss" || what === "convergence_time",
    });
    this.lines.setCursor(this.store.state.lambda);
    const { problems, warnings } = result;
    const failed =
      problems.length === 0 ? [] : [`${problems.length} points could not be computed: ${problems[0].detail}`];
    this.figure.setNotes([...failed, ...warned(warnings)]);
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
    return `${points.size} points, ${code}: ${own[0].detail}`;
  });
}

/** @param {number} value @param {number} minimum @param {number} maximum */
function isWholeWithin(value, minimum, maximum) {
  return Number.isInteger(value) && value >= minimum && value <= maximum;
}

/** @param {(number | null)[][]} runs */
function mean(runs) {
  return runs[0].map((_, at) => {
    const known = runs.map((run) => run[at]).filter((value) => value !== null);
    return known.length < runs.length ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  });
}
