/** Says what is computed while the pictures still show an earlier run, and offers to cancel it. */

import { byId } from "./dom.js";

const DELAY_MS = 400; // shorter computations are not announced

export class Waiting {
  /** @param {() => void} cancel */
  constructor(cancel) {
    this.words = "";
    this.timer = 0;
    byId("cancel").addEventListener("click", cancel);
  }

  /** @param {string} words about the run that is computed */
  start(words) {
    this.words = words;
    if (!byId("waiting").hidden) this.#say();
    else if (this.timer === 0) this.timer = setTimeout(() => this.#say(), DELAY_MS);
  }

  /** Wait for the next answer, after one has been received. */
  again() {
    this.end();
    this.start(this.words);
  }

  end() {
    clearTimeout(this.timer);
    this.timer = 0;
    byId("waiting").hidden = true;
    document.body.classList.remove("waiting");
  }

  #say() {
    byId("waiting").querySelector("p").textContent = this.words;
    byId("waiting").hidden = false;
    document.body.classList.add("waiting");
  }
}
