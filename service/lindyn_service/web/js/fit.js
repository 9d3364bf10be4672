/** The panel of a measured curve: laid over the loss of the live network, and fitted. */

import { compute } from "./api.js";
import { token } from "./colours.js";
import { columnOf } from "./curve-file.js";
import { missingInput } from "./controls.js";
import { byId } from "./dom.js";
import { showError } from "./error-banner.js";
import { entryOf } from "./figure.js";
import { FitForm } from "./fit-form.js";
import { asState, chosen } from "./fit-parameters.js";
import { showResult } from "./fit-results.js";
import { Job } from "./job.js";
import { LatestRequest } from "./latest-request.js";
import { Measured } from "./measured.js";
import { series, timesOf } from "./models.js";
import { lossName } from "./request.js";
import { inPageWords } from "./request-labels.js";
import { TimePicture } from "./time-picture.js";
import { fit as request, lossAt } from "./view-requests.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./models.js").Run} Run */
/** @typedef {import("./lines.js").Line} Line */
/** @typedef {{ x: number[], measured: (number | null)[] }} Axis times of the picture, and the measured values at them */
/** @typedef {{ text: string, values: Float64Array }} Curve a computed loss, and the text of its request */

const SIGNIFICANT = 6; // digits of estimates that are put into the controls
const DASHED = [6, 4];
const LOG_RATIO = 100; // of the largest to the smallest loss, from which the axis is logarithmic

export class Fit {
  /**
   * @param {import("./state.js").Store} store
   * @param {import("./time-picture.js").CursorHandlers} on
   */
  constructor(store, on) {
    this.store = store;
    /** @type {Run | null} */
    this.run = null;
    /** @type {{ live: Curve | null, fitted: Curve | null }} */
    this.curves = { live: null, fitted: null };
    this.wanted = { live: "", fitted: "" }; // texts of the requests of the curves that belong to the page
    /** @type {{ text: string, estimates: Record<string, number> } | null} the latest result, and the text of its problem */
    this.known = null;
    this.asked = "";
    this.measured = new Measured(store);
    this.form = new FitForm(store);
    this.job = new Job("fit", (result) => this.#received(result));
    const about = () => `${this.store.state.measuredName} and a network computed by lindyn`;
    const options = { id: "fit", title: "Measured curve", subtitle: "over the loss of this network", about };
    this.picture = new TimePicture(byId("fit-picture"), options, on);
    this.live = this.#curve("live");
    this.fitted = this.#curve("fitted");
    byId("fit-form").addEventListener("submit", () => this.#start());
    byId("fit-use").addEventListener("click", () => this.#use());
    byId("fit-panel").addEventListener("toggle", () => store.set({ fit: byId("fit-panel").open }));
  }

  /** @param {State} state */
  show(state) {
    byId("fit-panel").open = state.fit;
    this.measured.show(state);
    this.form.show(state);
    this.job.allow(state.measured !== null && missingInput(state) === "");
    byId("fit-missing").hidden = state.measured !== null;
    this.#update();
  }

  /** @param {Run} run */
  follow(run) {
    this.run = run;
    this.#update();
  }

  /** @param {number} time */
  setTime(time) {
    this.picture.setTime(time);
  }

  restyle() {
    this.#draw();
  }

  /** A sequence of requests for the loss at the times of the picture. @param {"live" | "fitted"} name */
  #curve(name) {
    return new LatestRequest(
      (/** @type {{ text: string, body: any }} */ { body }, signal) => compute("v1/trajectories", body, signal),
      {
        done: (answer, { text, body }) => {
          showError("fit-problem", null);
          const values = series(answer, body.quantities[0]);
          this.curves[name] = { text, values };
          this.#draw();
        },
        failed: (error, _, retry) => showError("fit-problem", error, retry),
      },
    );
  }

  /** Ask for the curves that are missing, and draw those that are known. */
  #update() {
    const { fit, measured } = this.store.state;
    const isCurrent = this.#isCurrent();
    byId("fit-result").hidden = this.known === null;
    byId("fit-use").disabled = !isCurrent;
    byId("fit-stale").hidden = isCurrent || this.known === null;
    if (measured === null) this.picture.hide();
    if (!fit || measured === null || this.run === null) return;
    const { x } = axisOf(measured, timesOf(this.run));
    this.#want("live", this.run.state, x);
    if (isCurrent) this.#want("fitted", { ...this.run.state, ...asState(this.#estimates()) }, x);
    else this.#drop("fitted");
    this.#draw();
  }

  /** Ask for a curve, unless it is known or asked for. @param {"live" | "fitted"} name @param {State} state @param {number[]} x */
  #want(name, state, x) {
    const body = lossAt(state, x);
    const text = JSON.stringify(body);
    if (this.wanted[name] === text) return;
    this.wanted[name] = text;
    if (this.curves[name]?.text === text) this[name].cancel();
    else this[name].ask({ text, body });
  }

  /** @param {"live" | "fitted"} name */
  #drop(name) {
    this.wanted[name] = "";
    this[name].cancel();
  }

  /** The curve that belongs to the page; null while it is computed. @param {"live" | "fitted"} name */
  #ready(name) {
    const curve = this.curves[name];
    return curve !== null && curve.text === this.wanted[name] ? curve : null;
  }

  /** Whether the result belongs to the curve, the network and the bounds of the page. */
  #isCurrent() {
    return this.known !== null && this.known.text === problemText(this.store.state);
  }

  #estimates() {
    return /** @type {{ estimates: Record<string, number> }} */ (this.known).estimates;
  }

  #draw() {
    const { measured } = this.store.state;
    if (measured === null || this.run === null) return;
    const [live, fitted] = [this.#ready("live"), this.#ready("fitted")];
    this.picture.setStale(live === null);
    if (live === null) return;
    const { x, measured: values } = axisOf(measured, timesOf(this.run));
    const name = lossName(this.run.state) === "loss" ? "loss" : "excess loss";
    /** @type {Line[]} */
    const lines = [
      { label: `${name} of this network`, values: live.values, colour: token("first"), width: 2 },
      ...(fitted === null
        ? []
        : [{ label: "fitted", values: fitted.values, colour: token("second"), dash: DASHED, width: 2 }]),
      { label: "measured", values, colour: token("ink"), dots: /** @type {const} */ ("all") },
    ];
    const model = {
      x: Float64Array.from(x),
      xLabel: "time t",
      lines,
      yLabel: name,
      ...scaleFor(columnOf(measured, 1), live.values),
    };
    this.picture.draw(model, lines.map(entryOf));
  }

  #start() {
    const { state } = this.store;
    if (byId("fit-run").disabled) return;
    const problem = this.form.hasRefused()
      ? "Correct the marked bounds first."
      : chosen(state).length === 0
        ? "Select at least one number that the fit may change."
        : "";
    if (problem !== "") {
      showError("fit-problem", new Error(problem));
      return;
    }
    this.asked = problemText(state);
    this.job.start("v1/fits", request(state));
  }

  /** @param {any} result */
  #received(result) {
    const [model] = result.models;
    if (model.problem) throw new Error(inPageWords(model.problem.detail));
    this.known = { text: this.asked, estimates: model.estimates };
    showResult(model, result.level);
    this.#update();
  }

  #use() {
    const changes = Object.entries(asState(this.#estimates()));
    this.store.set(
      Object.fromEntries(changes.map(([name, value]) => [name, Number(Number(value).toPrecision(SIGNIFICANT))])),
    );
  }
}

/**
 * The times of the picture: those of the live network and of all measured values.
 * @param {import("./matrix.js").Matrix} curve
 * @param {Float64Array} grid
 * @returns {Axis}
 */
function axisOf(curve, grid) {
  const [times, values] = [columnOf(curve, 0), columnOf(curve, 1)];
  const own = new Set(times);
  /** @type {{ time: number, value: number | null }[]} */
  const points = [
    ...times.map((time, i) => ({ time, value: values[i] })),
    ...Array.from(grid, (time) => ({ time, value: null })).filter(({ time }) => !own.has(time)),
  ];
  points.sort((a, b) => a.time - b.time);
  return { x: points.map(({ time }) => time), measured: points.map(({ value }) => value) };
}

/**
 * The scale of the loss, chosen for the measured values: logarithmic if they span decades.
 * @param {number[]} measured
 * @param {Float64Array} live
 * @returns {{ yLog?: boolean, yRange?: [number, number] }}
 */
function scaleFor(measured, live) {
  const [low, high] = [Math.min(...measured), Math.max(...measured, ...live)];
  if (!(low > 0 && high / low > LOG_RATIO)) return {};
  return { yLog: true, yRange: [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high))] };
}

/** The request of a fit apart from its free numbers, of which the page has values, too. @param {State} state */
function problemText(state) {
  if (state.measured === null || missingInput(state) !== "") return "";
  const free = chosen(state);
  const neutral = Object.fromEntries(free.map(({ name }) => [name, 1]));
  const { base, observations } = request({ ...state, ...neutral });
  return JSON.stringify([base, observations, free.map(({ path, bounds }) => [path, bounds])]);
}
