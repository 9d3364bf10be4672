/** A job that a panel starts: it is followed by its events, and its progress is shown in the panel's form. */

import { hasKey } from "./api-key.js";
import { ask, Problem } from "./api.js";
import { byId } from "./dom.js";
import { showError } from "./error-banner.js";
import { number } from "./format.js";

const FINAL = ["done", "failed", "cancelled"];
const POLL_MS = 1_000;
const FORGOTTEN = "The service does not know this job any more; it may have been restarted. Run it again.";

export class Job {
  /**
   * @param {string} panel the ids of the panel's elements are `${panel}-run`, -cancel, -progress and -problem
   * @param {(result: any) => void} done
   */
  constructor(panel, done) {
    this.panel = panel;
    this.done = done;
    this.id = "";
    this.isPossible = true;
    this.isRunning = false;
    /** @type {EventSource | null} */
    this.events = null;
    byId(`${panel}-cancel`).addEventListener("click", () => this.#cancel());
  }

  /** Enable or disable the button that starts the job. @param {boolean} isPossible */
  allow(isPossible) {
    this.isPossible = isPossible;
    this.#enable();
  }

  /**
   * @param {string} path
   * @param {unknown} body
   */
  async start(path, body) {
    if (this.isRunning) return;
    showError(`${this.panel}-problem`, null);
    this.#close();
    this.id = "";
    this.#progress({ state: "queued", completed: 0, total: 0 });
    try {
      const job = await ask("POST", path, body);
      this.id = job.id;
      this.#progress(job);
      this.#follow(job.id);
    } catch (error) {
      this.#end(/** @type {Error} */ (error));
    }
  }

  /** @param {string} id */
  #follow(id) {
    if (hasKey()) {
      this.#poll(id); // an EventSource sends no headers
      return;
    }
    const events = new EventSource(`v1/jobs/${id}/events`);
    this.events = events;
    for (const name of ["progress", ...FINAL])
      events.addEventListener(name, (/** @type {any} */ event) => this.#update(JSON.parse(event.data)));
    events.addEventListener("error", () => {
      // the browser reconnects by itself, unless the answer was not an event stream
      if (events.readyState === EventSource.CLOSED) setTimeout(() => this.#poll(id), POLL_MS);
    });
  }

  /** @param {string} id */
  async #poll(id) {
    if (this.id !== id || !this.isRunning) return;
    try {
      const job = await ask("GET", `v1/jobs/${id}`);
      this.#update(job);
      if (!FINAL.includes(job.state)) setTimeout(() => this.#poll(id), POLL_MS);
    } catch (error) {
      if (error instanceof Problem) this.#end(error.code === "not-found" ? new Error(FORGOTTEN) : error);
      else setTimeout(() => this.#poll(id), POLL_MS);
    }
  }

  /** @param {any} job */
  async #update(job) {
    if (job.id !== this.id) return;
    this.#progress(job);
    if (!FINAL.includes(job.state)) return;
    this.#close();
    if (job.state === "failed") this.#end(new Problem(job.problem, null));
    else if (job.state === "done") await this.#finish(job.id);
    else this.#end(null);
  }

  /** @param {string} id */
  async #finish(id) {
    try {
      this.done(await ask("GET", `v1/jobs/${id}/result`));
      this.#end(null);
    } catch (error) {
      this.#end(/** @type {Error} */ (error));
    }
  }

  async #cancel() {
    try {
      await ask("DELETE", `v1/jobs/${this.id}`);
    } catch (error) {
      this.#end(/** @type {Error} */ (error));
    }
  }

  /** @param {{ state: string, completed: number, total: number }} job */
  #progress({ state, completed, total }) {
    this.isRunning = !FINAL.includes(state);
    this.#enable();
    const box = byId(`${this.panel}-progress`);
    box.hidden = false;
    box.querySelector("progress").value = completed / Math.max(1, total);
    box.querySelector("span").textContent =
      total === 0 ? state : `${state}, ${number(completed, 6)} of ${number(total, 6)}`;
  }

  #enable() {
    const [run, cancel] = ["run", "cancel"].map((name) => byId(`${this.panel}-${name}`));
    const [ranFocus, cancelFocus] = [run, cancel].map((button) => document.activeElement === button);
    const canCancel = this.id !== "" && this.isRunning;
    cancel.hidden = !canCancel;
    run.disabled = canCancel || !this.isPossible;
    // the focus would be lost with the button that has it
    if (ranFocus && canCancel) cancel.focus();
    else if (cancelFocus && !canCancel) run.focus();
  }

  /** @param {Error | null} error */
  #end(error) {
    this.#close();
    this.isRunning = false;
    this.#enable();
    if (error === null) return;
    byId(`${this.panel}-progress`).hidden = true;
    showError(`${this.panel}-problem`, error);
  }

  #close() {
    this.events?.close();
    this.events = null;
  }
}
