/** Finds a horizon soon after which learning is over. */

import { compute } from "./api.js";
import { missingInput } from "./controls.js";
import { byId } from "./dom.js";
import { number } from "./format.js";
import { LatestRequest } from "./latest-request.js";
import { series } from "./models.js";
import * as requests from "./request.js";
import { GRID, INPUTS, same } from "./state.js";

/** @typedef {import("./state.js").State} State */

const LEARNED = 1e-3; // excess loss at which learning counts as over, relative to its initial value
const SETTLED = 1e-3; // part of the decrease of the excess loss that is left at the time that counts as the end
const [GROWTH, MAX_ATTEMPTS] = [4, 5]; // of horizons that are tried
const ROOM = 1.4; // of the horizon over that time

/** Parts of the state after whose change the horizon is fitted: all that set the speed, but λ, which is compared. */
const FITTED = [...INPUTS].filter((name) => !GRID.includes(name) && !["lambda", "seed", "taskSeed"].includes(name));

export class FitTime {
  /**
   * @param {import("./state.js").Store} store
   * @param {(busy: boolean) => void} busy
   */
  constructor(store, busy) {
    this.store = store;
    this.latest = new LatestRequest((/** @type {State} */ state, signal) => search(state, signal), {
      done: (time) => this.#use(time),
      failed: (error) => this.#say(error.message),
      busy,
    });
    byId("fit-time").addEventListener("click", () => {
      store.set({ fitTime: true });
      if (missingInput(store.state) === "") this.latest.ask(store.state);
    });
  }

  /**
   * Fit the horizon after a change, unless the user has set it.
   * @param {State} before
   */
  follow(before) {
    const { state } = this.store;
    const changed = /** @type {(keyof State)[]} */ (FITTED).some((name) => !same(before[name], state[name]));
    if (!state.fitTime || missingInput(state) !== "") this.cancel();
    else if (changed) this.latest.ask(state);
  }

  cancel() {
    this.latest.cancel();
    this.#say("");
  }

  /** @param {number} time */
  #use(time) {
    const { fitTime, stop: before, start, time: cursor } = this.store.state;
    if (!fitTime) return;
    const stop = Number((ROOM * time).toPrecision(2));
    const scaled = (/** @type {number} */ value) => Number(((value * stop) / before).toPrecision(4));
    this.store.set({ stop, start: scaled(start), time: scaled(cursor) });
    this.#say(`Learning is over by t ≈ ${number(time, 2)}.`);
  }

  /** @param {string} text */
  #say(text) {
    byId("fit-note").textContent = text;
  }
}

/**
 * The time at which learning is over.
 * @param {State} state
 * @param {AbortSignal} signal
 */
async function search(state, signal) {
  let { stop } = state;
  for (let attempt = 1; ; attempt += 1) {
    const answer = await compute("v1/trajectories", requests.excess(state, stop), signal);
    const [times, loss] = [series(answer, "times"), series(answer, "excess_loss")];
    const [first, last] = [loss[0], loss[loss.length - 1]];
    const least = loss.reduce((smallest, value) => Math.min(smallest, value), first);
    const at = loss.findIndex((value) => value <= least + SETTLED * (first - least));
    if (last <= LEARNED * first || attempt === MAX_ATTEMPTS) return times[at];
    stop *= GROWTH;
  }
}
