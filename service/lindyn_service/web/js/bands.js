/** The panel of bands over seeds: median and 10–90 % band of networks that differ in their seed, behind the live one. */

import { methodName } from "./answer-text.js";
import { compute } from "./api.js";
import { legendOfLoss, legendOfModes, lossBand, singularValueBands } from "./band-models.js";
import { byId } from "./dom.js";
import { showError } from "./error-banner.js";
import { counted, duration, number } from "./format.js";
import { LatestRequest } from "./latest-request.js";
import { NumberFields, whole } from "./panel-fields.js";
import { inPageWords } from "./request-labels.js";
import { BOUNDS } from "./state.js";
import { TimePicture } from "./time-picture.js";
import { ensemble } from "./view-requests.js";

const REST_MS = 300; // λ must rest that long, so that a moving slider asks for no ensembles
const NO_SEEDS = "Your own weights are not drawn from a seed. Choose λ-balanced or Gaussian initial weights.";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./models.js").Run} Run */
/** @typedef {import("./api.js").Answer} Answer */

export class Bands {
  /**
   * @param {import("./state.js").Store} store
   * @param {import("./time-picture.js").CursorHandlers} on
   */
  constructor(store, on) {
    this.store = store;
    /** @type {Run | null} the live network */
    this.run = null;
    /** @type {{ text: string, answer: Answer } | null} the latest answer and the text of its request */
    this.known = null;
    this.asked = "";
    this.timer = 0;
    const host = byId("bands-pictures");
    const about = () => byId("bands-words").textContent.split(". ")[0];
    const titles = { loss: "Loss over seeds", values: "Singular values over seeds" };
    const subtitle = "median and 10–90 % band, behind this network";
    this.loss = new TimePicture(host, { id: "bands-loss", title: titles.loss, subtitle, about }, on);
    this.values = new TimePicture(host, { id: "bands-values", title: titles.values, subtitle, about }, on);
    this.fields = new NumberFields(store, [
      {
        id: "bands-seeds",
        read: (state) => state.bandSeeds,
        write: (bandSeeds) => ({ bandSeeds }),
        check: whole(...BOUNDS.bandSeeds),
      },
    ]);
    this.latest = new LatestRequest(
      (/** @type {{ text: string, request: unknown }} */ { request }, signal) =>
        compute("v1/ensembles", request, signal),
      {
        done: (answer, { text }) => this.#received(answer, text),
        failed: (error, _, retry) => this.#failed(error, retry),
      },
    );
    byId("bands-panel").addEventListener("toggle", () => store.set({ bands: byId("bands-panel").open }));
  }

  /** @param {State} state */
  show(state) {
    byId("bands-panel").open = state.bands;
    this.fields.show(state);
    this.#update();
  }

  /** @param {Run} run */
  follow(run) {
    this.run = run;
    this.#update();
  }

  /** @param {number} time */
  setTime(time) {
    for (const picture of [this.loss, this.values]) picture.setTime(time);
  }

  restyle() {
    this.#update();
  }

  /** Draw the band that belongs to the live network, or ask for it. */
  #update() {
    clearTimeout(this.timer);
    const { bands, bandSeeds } = this.store.state;
    if (!bands || this.run === null) return;
    if (this.run.state.network === "weights") {
      this.latest.cancel();
      this.asked = "";
      this.#hide(NO_SEEDS);
      return;
    }
    const request = ensemble({ ...this.run.state, bandSeeds });
    const text = JSON.stringify(request);
    const isKnown = this.known?.text === text;
    for (const picture of [this.loss, this.values]) picture.setStale(!isKnown);
    if (isKnown) this.#draw(this.run, /** @type {{ answer: Answer }} */ (this.known).answer);
    else if (this.asked !== text) this.timer = setTimeout(() => this.#ask(text, request), REST_MS);
  }

  /** @param {string} text @param {unknown} request */
  #ask(text, request) {
    this.asked = text;
    byId("bands-words").textContent = "Computing the networks of all seeds …";
    this.latest.ask({ text, request });
  }

  /** @param {Answer} answer @param {string} text */
  #received(answer, text) {
    showError("bands-problem", null);
    this.known = { text, answer };
    this.#update();
  }

  /** @param {Error} error @param {number | null} retryMs */
  #failed(error, retryMs) {
    this.#hide("");
    showError("bands-problem", error, retryMs);
  }

  /** @param {string} words */
  #hide(words) {
    this.known = null;
    for (const picture of [this.loss, this.values]) picture.hide();
    byId("bands-words").textContent = words;
  }

  /** @param {Run} run @param {Answer} answer */
  #draw(run, answer) {
    const loss = lossBand(run, answer);
    this.loss.draw(loss, legendOfLoss(loss));
    const values = singularValueBands(run, answer);
    this.values.draw(values, legendOfModes(values));
    byId("bands-words").textContent = described(answer);
    this.loss.figure.setNotes(notes(answer));
  }
}

/** Sentences about an ensemble: seeds, saddles, method. @param {Answer} answer */
function described({ meta, serverMs, source }) {
  const { seeds, saddles, methods } = meta;
  const count = seeds.length;
  const how = Object.entries(methods)
    .map(([method, amount]) => (amount === count ? methodName(method) : `${methodName(method)}: ${amount}`))
    .join(", ");
  const when = source === "hit" ? "from the cache" : `computed in ${duration(serverMs)}`;
  return `${number(count, 6)} networks with the seeds ${seeds[0]} to ${seeds[count - 1]}. ${ofSaddles(saddles, methods.exact ?? 0, count)} ${how}, ${when}.`;
}

/**
 * A sentence about saddles, which are known only of networks with a closed form.
 * @param {number} saddles
 * @param {number} exact number of networks with a closed form
 * @param {number} count number of all networks
 */
function ofSaddles(saddles, exact, count) {
  if (exact === 0) return "Whether they end at a saddle is known only of networks with a closed form.";
  const known = exact === count ? "them" : `the ${number(exact, 6)} with a closed form`;
  if (saddles === 0) return `None of ${known} ends at a saddle.`;
  const [end, learn] = saddles === 1 ? ["ends", "it never learns"] : ["end", "they never learn"];
  return `${number(saddles, 6)} of ${known} ${end} at a saddle: ${learn} some mode of the task.`;
}

/** @param {Answer} answer */
function notes({ meta }) {
  /** @type {{ seed: number, detail: string }[]} */
  const problems = meta.problems;
  const failed =
    problems.length === 0
      ? []
      : [
          `Left out: ${counted(problems.length, "network")}, the first with seed ${problems[0].seed}: ${inPageWords(problems[0].detail)}`,
        ];
  /** @type {{ code: string, detail: string, replicates: number }[]} */
  const warnings = meta.warnings;
  const others = warnings.filter(({ code }) => code !== "saddle");
  return [
    ...failed,
    ...others.map(({ detail, replicates }) => `${counted(replicates, "network")}: ${inPageWords(detail)}`),
  ];
}
