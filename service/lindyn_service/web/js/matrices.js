/**
 * The matrices that are shown, QQᵀ and the weights: fetched at the cursor's time, and at all times once the cursor moves.
 * @typedef {import("./api.js").Answer} Answer
 * @typedef {{ state: import("./state.js").State }} Run
 * @typedef {{ values: Float64Array, rows: number, columns: number, largest: number }} MatrixAt
 * @typedef {{ run: Run, at: number[], film: boolean }} Asked `film`: at all times
 */

import { compute } from "./api.js";
import { LatestRequest } from "./latest-request.js";
import * as requests from "./request.js";

const INTERVAL_MS = 150; // between requests while the cursor moves

export class Matrices {
  /**
   * @param {{
   *   show: (matrices: Map<string, MatrixAt>, time: number) => void, absent: (reason: string) => void,
   *   busy: (busy: boolean) => void,
   * }} on `absent`: QQᵀ cannot be shown
   */
  constructor(on) {
    this.on = on;
    /** @type {Run | null} */
    this.run = null;
    this.times = new Float64Array(0);
    this.index = -1;
    /** @type {Answer | null} */
    this.film = null; // matrices at all times
    this.filming = false;
    this.timer = 0;
    this.latest = new LatestRequest(
      (/** @type {Asked} */ { run, at }, signal) =>
        compute("v1/trajectories", requests.matrices(run.state, at), signal),
      {
        done: (answer, asked) => this.#received(answer, asked),
        failed: (error) => on.absent(error.message),
        busy: on.busy,
      },
    );
  }

  /**
   * Show the matrices of a run at one of its times.
   * @param {Run} run
   * @param {Float64Array} times
   * @param {number} index
   * @param {boolean} playing
   */
  at(run, times, index, playing) {
    const isOther = run !== this.run;
    const moves = playing || (!isOther && index !== this.index);
    if (!isOther && !moves) return;
    Object.assign(this, { run, times, index });
    if (isOther) Object.assign(this, { film: null, filming: false });
    if (this.film !== null) this.#show(this.film, index);
    else if (moves && requests.hasFilm(run.state)) this.#film(run);
    else if (isOther) this.#still();
    else if (this.timer === 0) this.timer = setTimeout(() => this.#still(), INTERVAL_MS);
  }

  /** @param {Run} run */
  #film(run) {
    if (this.filming) return;
    this.filming = true;
    this.#ask({ run, at: [...this.times], film: true });
  }

  #still() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.filming) return;
    const [time, last] = [this.times[this.index], this.times[this.times.length - 1]]; // the last, for the scale of colours
    this.#ask({ run: /** @type {Run} */ (this.run), at: time === last ? [last] : [time, last], film: false });
  }

  /** @param {Asked} asked */
  #ask(asked) {
    const { state } = asked.run;
    const why = requests.whyNoProduct(state);
    if (why !== "") this.on.absent(why);
    if (requests.matrixNames(state).length > 0) this.latest.ask(asked);
  }

  /** @param {Answer} answer @param {Asked} asked */
  #received(answer, { run, film }) {
    if (run !== this.run) return;
    if (film) this.film = answer;
    this.#show(answer, film ? this.index : 0);
  }

  /** @param {Answer} answer @param {number} index */
  #show(answer, index) {
    /** @type {Map<string, MatrixAt>} */
    const found = new Map();
    for (const [name, { shape, values }] of answer.arrays) {
      if (shape.length !== 3 || values === null) continue;
      const [, rows, columns] = shape;
      const own = values.subarray(index * rows * columns, (index + 1) * rows * columns);
      found.set(name, { values: own, rows, columns, largest: largestOf(values) });
    }
    this.on.show(found, answer.arrays.get("times")?.values?.[index] ?? 0);
  }
}

/** @param {Float64Array} values */
function largestOf(values) {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}
