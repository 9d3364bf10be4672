/** Sends one request at a time. A new input replaces the waiting one, so that the latest input is sent next. */

import { Problem, Unreachable } from "./api.js";

/** Requests that take longer are aborted for newer input; aborting shorter ones would waste their computation. */
const MAX_WAIT_MS = 1_000;
const MAX_RETRY_MS = 5_000;

/**
 * @template Input, Output
 */
export class LatestRequest {
  /**
   * @param {(input: Input, signal: AbortSignal) => Promise<Output>} run
   * @param {{
   *   done: (output: Output, input: Input) => void,
   *   failed: (error: Error, input: Input, retryMs: number | null) => void,
   *   busy?: (busy: boolean) => void,
   * }} listener `retryMs` is the time until the request is repeated
   */
  constructor(run, listener) {
    this.run = run;
    this.listener = listener;
    /** @type {{ input: Input } | null} */
    this.waiting = null;
    /** @type {{ controller: AbortController, since: number } | null} */
    this.current = null;
    this.failures = 0;
    this.timer = 0;
  }

  /** @param {Input} input */
  ask(input) {
    clearTimeout(this.timer);
    this.waiting = { input };
    this.failures = 0;
    if (this.current === null) this.#start();
    else {
      const left = MAX_WAIT_MS - (performance.now() - this.current.since);
      this.timer = setTimeout(() => this.#abort(), Math.max(0, left));
    }
  }

  /** Abort the current request and drop the waiting one. */
  cancel() {
    clearTimeout(this.timer);
    this.waiting = null;
    this.#abort();
  }

  #abort() {
    this.current?.controller.abort();
  }

  async #start() {
    const { input } = /** @type {{ input: Input }} */ (this.waiting);
    this.waiting = null;
    const controller = new AbortController();
    this.current = { controller, since: performance.now() };
    this.listener.busy?.(true);
    /** @type {Error | null} */
    let failure = null;
    try {
      const output = await this.run(input, controller.signal);
      this.failures = 0;
      if (!controller.signal.aborted) this.listener.done(output, input);
    } catch (error) {
      failure = /** @type {Error} */ (error);
    }
    this.current = null;
    if (this.waiting !== null) {
      clearTimeout(this.timer);
      this.#start();
      return;
    }
    this.listener.busy?.(false);
    if (failure !== null && failure.name !== "AbortError") this.#fail(failure, input);
  }

  /**
   * @param {Error} error
   * @param {Input} input
   */
  #fail(error, input) {
    const pause = this.#pause(error);
    this.failures += 1;
    this.listener.failed(error, input, pause);
    if (pause === null) return;
    this.timer = setTimeout(() => {
      this.waiting = { input };
      this.#start();
    }, pause);
  }

  /**
   * Time until the request is repeated; null if it would fail again.
   * @param {Error} error
   */
  #pause(error) {
    const growing = Math.min(500 * 2 ** this.failures, MAX_RETRY_MS);
    if (error instanceof Unreachable) return growing;
    if (error instanceof Problem && error.retryAfter !== null) return Math.max(1000 * error.retryAfter, growing);
    return null;
  }
}
