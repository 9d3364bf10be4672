/** A guided tour in four steps. */

import { byId, make } from "./dom.js";
import { DEFAULTS } from "./state.js";

const NARROW = 900; // pixels up to which the card is below the pictures

const { pins: _, ...SEMANTIC } = DEFAULTS; // pinned runs stay

/** @type {{ title: string, text: string[], state: Partial<import("./state.js").State>, look: string[] }[]} */
const STEPS = [
  {
    title: "Rich: one mode after another",
    text: [
      "Small weights, λ = 0. The loss first stays on a plateau; then the modes of the task are learned one by one, each in a sharp transition, the strongest first. The network distinguishes animals from plants before it distinguishes a robin from a canary.",
      "Press Play and watch the representation build the tree, level by level. The kernel moves: features are learned.",
    ],
    state: SEMANTIC,
    look: ["singular-values", "representation"],
  },
  {
    title: "Lazy: all modes at once",
    text: [
      "λ = 10. One layer is much larger than the other. All modes rise together, exponentially, at the rate |λ|, and the kernel hardly moves: the network behaves like a fixed one with a linear readout.",
      "Drag λ back towards 0 and see the steps separate again.",
    ],
    state: { ...SEMANTIC, lambda: 10, stop: 8, time: 2 },
    look: ["kernel", "singular-values"],
  },
  {
    title: "Saddle: a mode that is never learned",
    text: [
      "Again λ = 0, with another seed. The initial weights have no component along one mode, so its gradient is zero and the loss never leaves its plateau. This happens for half of all draws with equal widths.",
      "This is not an error of the computation: move λ slightly away from 0, and the mode is learned.",
    ],
    state: { ...SEMANTIC, seed: 5, stop: 100, time: 80 },
    look: ["loss", "singular-values"],
  },
  {
    title: "Forgetting: a second task",
    text: [
      "After the first task the same network learns a second one, with the same singular values and other singular vectors. The loss of the first rises as the second is learned.",
      "Change λ: it sets how fast, and by which path, the network forgets.",
    ],
    state: { ...SEMANTIC, lambda: 1, stop: 40, time: 20, forgetting: true },
    look: ["forgetting"],
  },
];

export class Tour {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    this.step = 0;
    byId("tour-start").addEventListener("click", () => this.#go(0));
    byId("tour-back").addEventListener("click", () => this.#go(this.step - 1));
    byId("tour-next").addEventListener("click", () =>
      this.step + 1 < STEPS.length ? this.#go(this.step + 1) : this.#end(),
    );
    byId("tour-end").addEventListener("click", () => this.#end());
    byId("tour").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") this.#end();
    });
  }

  /** @param {number} step */
  #go(step) {
    this.step = step;
    const { title, text, state, look } = STEPS[step];
    byId("tour").hidden = false;
    document.body.classList.add("touring");
    byId("tour-steps").textContent = `Step ${step + 1} of ${STEPS.length}`;
    byId("tour-title").textContent = title;
    byId("tour-text").replaceChildren(...text.map((each) => make("p", {}, each)));
    byId("tour-back").disabled = step === 0;
    byId("tour-next").textContent = step + 1 < STEPS.length ? "Next" : "Done";
    this.store.set(state);
    this.#look(look);
    byId("tour-title").focus({ preventScroll: true });
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const target = document.getElementById(`${look[0]}-panel`) ?? byId(`picture-${look[0]}`);
    target.scrollIntoView({
      block: target.matches("details") || innerWidth <= NARROW ? "start" : "nearest",
      behavior: calm ? "auto" : "smooth",
    });
  }

  /** @param {string[]} ids */
  #look(ids) {
    for (const picture of document.querySelectorAll(".picture")) {
      picture.classList.toggle("looked-at", ids.includes(picture.id.replace("picture-", "")));
    }
  }

  #end() {
    byId("tour").hidden = true;
    document.body.classList.remove("touring");
    this.#look([]);
    byId("tour-start").focus();
  }
}
