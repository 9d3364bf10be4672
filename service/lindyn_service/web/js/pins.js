/** Runs that are pinned to compare them with the live one, computed at the times of the live one. */

import { compute } from "./api.js";
import { token } from "./colours.js";
import { missingInput } from "./controls.js";
import { byId, make, toast } from "./dom.js";
import { LatestRequest } from "./latest-request.js";
import { describeRun } from "./run-label.js";
import * as requests from "./request.js";
import { fromHash, withoutTimes } from "./link.js";
import { GRID, INPUTS } from "./state.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./api.js").Answer} Answer */
/**
 * `grid`: identifies the times and quantities of a request; `answered`: those of `answer`.
 * @typedef {{
 *   letter: string, state: State, latest: LatestRequest<any, Answer>, grid: string, answered: string,
 *   answer: Answer | null, problem: string,
 * }} Pin
 */

const LETTERS = ["A", "B", "C", "D"];

export class Pins {
  /**
   * @param {import("./state.js").Store} store
   * @param {() => void} changed called when the runs to draw have changed
   */
  constructor(store, changed) {
    this.store = store;
    this.changed = changed;
    /** @type {Map<string, Pin>} */
    this.pins = new Map();
    this.listed = "";
    byId("pin").addEventListener("click", () => this.#pin());
  }

  /** Show the pins of a state, and compute what is missing. @param {State} state */
  show(state) {
    for (const [text, { latest }] of this.pins) {
      if (state.pins.includes(text)) continue;
      latest.cancel();
      this.pins.delete(text);
    }
    for (const text of state.pins) this.#follow(text, state);
    this.#list(state);
  }

  /**
   * The pinned runs that are computed at the times of a state, for the pictures.
   * @param {State} state
   * @returns {import("./models.js").Pinned[]}
   */
  runs(state) {
    const grid = gridOf(state);
    return [...this.pins.values()].flatMap(({ letter, state: own, answer, answered }) =>
      answer === null || answered !== grid
        ? []
        : [{ letter, label: labelOf(letter, own, state), colour: colourOf(letter), state: own, answer }],
    );
  }

  #pin() {
    const { state } = this.store;
    const text = withoutTimes(state);
    const used = state.pins.map((pin) => pin[0]);
    const letter = LETTERS.find((each) => !used.includes(each));
    const same = state.pins.find((pin) => pin.slice(2) === text);
    if (missingInput(state) !== "") toast(missingInput(state));
    else if (same !== undefined) toast(`This run is pinned already, as ${same[0]}.`);
    else if (letter === undefined) toast(`${LETTERS.length} runs are pinned; unpin one of them first.`);
    else this.store.set({ pins: [...state.pins, `${letter}.${text}`].sort() });
  }

  /** @param {string} text @param {State} state */
  #follow(text, state) {
    const pin = this.pins.get(text) ?? this.#added(text);
    const grid = gridOf(state);
    if (pin.grid === grid) return;
    pin.grid = grid;
    const { start, stop, num, spacing, more } = state;
    pin.latest.ask({ grid, state: { ...pin.state, start, stop, num, spacing, more } });
  }

  /** @param {string} text */
  #added(text) {
    /** @type {Pin} */
    const pin = {
      letter: text[0],
      state: fromHash(text.slice(2)).state,
      latest: new LatestRequest((asked, signal) => compute("v1/trajectories", requests.pinned(asked.state), signal), {
        done: (answer, { grid }) => this.#settle(pin, { answer, answered: grid, problem: "" }),
        failed: (error) => this.#settle(pin, { answer: null, problem: error.message }),
      }),
      grid: "",
      answered: "",
      answer: null,
      problem: "",
    };
    this.pins.set(text, pin);
    return pin;
  }

  /** @param {Pin} pin @param {Partial<Pin>} changes */
  #settle(pin, changes) {
    Object.assign(pin, changes);
    this.#list(this.store.state);
    this.changed();
  }

  /** Rebuild the list if it has changed, so that the focus stays where it is otherwise. @param {State} state */
  #list(state) {
    const entries = [...this.pins].map(([text, pin]) => ({ text, ...pin, words: describeRun(pin.state, state) }));
    const live = describeRun(state, state);
    const signature = JSON.stringify([live, entries.map(({ text, words, problem }) => [text, words, problem])]);
    const list = byId("pins");
    list.hidden = entries.length === 0;
    for (const each of list.querySelectorAll("[data-pin]"))
      each.toggleAttribute("data-ready", this.pins.get(each.dataset.pin)?.answered === gridOf(state));
    if (signature === this.listed) return;
    this.listed = signature;
    list.replaceChildren(
      make("li", { class: "live" }, make("i"), `live: ${live}`),
      ...entries.map(({ text, letter, words, problem, answered }) => {
        const item = this.#item(text, letter, words, problem);
        item.toggleAttribute("data-ready", answered === gridOf(state));
        return item;
      }),
    );
  }

  /** @param {string} text @param {string} letter @param {string} words @param {string} problem */
  #item(text, letter, words, problem) {
    const swatch = make("i");
    swatch.style.color = `var(--pin-${letter.toLowerCase()})`;
    const use = make("button", { type: "button", title: "Make this the live run" }, `${letter}: ${words}`);
    use.addEventListener("click", () => this.#use(text));
    const away = make("button", { type: "button", "aria-label": `Unpin ${letter}`, title: "Unpin" }, "✕");
    away.addEventListener("click", () => {
      this.store.set({ pins: this.store.state.pins.filter((pin) => pin !== text) });
      (byId("pins").querySelector("[data-pin] button[aria-label]") ?? byId("pin")).focus();
    });
    const why = problem === "" ? [] : [make("span", { class: "note wrong", role: "alert" }, problem)];
    return make("li", { "data-pin": text }, swatch, use, away, ...why);
  }

  /** @param {string} text */
  #use(text) {
    /** @type {any} */
    const changes = {};
    const own = /** @type {any} */ (this.pins.get(text)?.state);
    for (const name of INPUTS) if (!GRID.includes(name)) changes[name] = own[name];
    this.store.set(changes);
  }
}

/** @param {string} letter @param {State} own @param {State} live */
function labelOf(letter, own, live) {
  return `${letter}: ${describeRun(own, live)}`;
}

/** @param {string} letter */
function colourOf(letter) {
  return token(`pin-${letter.toLowerCase()}`);
}

/** @param {State} state */
function gridOf(state) {
  return JSON.stringify([requests.times(state), state.more]);
}
