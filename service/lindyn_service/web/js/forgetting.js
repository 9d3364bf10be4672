/** The panel of continual learning: a second task after the first, and forgetting. */

import { compute } from "./api.js";
import { token } from "./colours.js";
import { byId } from "./dom.js";
import { asCsv, entryOf, Figure } from "./figure.js";
import { number } from "./format.js";
import { LatestRequest } from "./latest-request.js";
import { Lines } from "./lines.js";
import { series } from "./models.js";
import { continual, learning } from "./request.js";
import { linesAsSvg } from "./svg.js";
import { showError } from "./error-banner.js";

export class Forgetting {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    this.figure = new Figure(byId("forgetting-picture"), {
      id: "forgetting",
      title: "Two tasks in sequence",
      subtitle: "losses of both on one time axis",
      svg: () => linesAsSvg(this.lines, "Two tasks in sequence", "continual learning by lindyn"),
      csv: () => asCsv(/** @type {any} */ (this.lines.model), "t"),
    });
    this.figure.element.hidden = true;
    /** @type {Lines} */
    this.lines = new Lines(this.figure.body, { name: "Forgetting", zoom: (range) => this.lines.setZoom(range) });
    this.latest = new LatestRequest((body, signal) => compute("v1/continual", body, signal), {
      done: (answer) => this.#draw(answer),
      failed: (error, _, retry) => showError("forgetting-problem", error, retry),
    });
    byId("forgetting-panel").addEventListener("toggle", () => store.set({ forgetting: byId("forgetting-panel").open }));
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    byId("forgetting-panel").open = state.forgetting;
  }

  /**
   * Send the request if the panel is open.
   * @param {import("./state.js").State} state
   * @param {number[]} strengths best singular values of the first task
   */
  follow(state, strengths) {
    if (state.forgetting && strengths.length > 0) this.latest.ask(continual(state, strengths));
  }

  /** @param {import("./api.js").Answer} answer */
  #draw(answer) {
    showError("forgetting-problem", null);
    const { segments, best_stopping: best } = answer.meta;
    const times = series(answer, "times");
    const all = /** @type {Float64Array} */ (answer.arrays.get("loss")?.values);
    const row = (/** @type {number} */ i) => all.subarray(i * times.length, (i + 1) * times.length);
    const lines = [
      { label: "first task", values: row(0), colour: token("first"), width: 2 },
      { label: "second task", values: row(1), colour: token("second"), width: 2 },
    ];
    this.figure.element.hidden = false;
    this.figure.setLegend(lines.map(entryOf));
    this.lines.draw({ x: times, xLabel: "time t", lines, yLabel: "loss" });
    this.lines.setCursor(segments[1].start);
    const [learned, forgotten] = [row(0)[segments[0].last], row(0)[segments[1].last]];
    const stop = best.find((/** @type {any} */ each) => each.task === 0);
    const interior = stop?.interior
      ? ` While the second task is trained, this loss is smallest at t = ${number(stop.time)}, with ${number(stop.loss)}.`
      : "";
    const isPlain = Object.keys(learning(this.store.state)).length === 0;
    const plain = isPlain ? "" : " Decay, rates and schedule are left out here.";
    byId("forgetting-words").textContent =
      `Training on the first task ends at t = ${number(segments[1].start)} with a loss of ${number(learned)}; ` +
      `after the second task, this loss is ${number(forgotten)}.${interior}${plain} Exact, ${answer.source === "hit" ? "from the cache" : "computed"} in ${number(answer.serverMs, 2)} ms.`;
  }
}
