/** The line below what was given: what it is, or why it is refused. */

import { byId, toast } from "./dom.js";

export class Note {
  /** @param {"weights" | "data"} kind */
  constructor(kind) {
    this.place = byId(`${kind}-note`);
    this.field = byId(`${kind}-text`);
  }

  /** Whether it is on the page now. */
  isShown() {
    return this.place.offsetParent !== null;
  }

  /** @param {string} text */
  tell(text) {
    this.place.textContent = text;
    this.place.classList.remove("wrong");
    this.field.removeAttribute("aria-invalid");
  }

  /**
   * @param {string} text
   * @param {boolean} [isTyped] whether it is of what stands in the field
   */
  refuse(text, isTyped = false) {
    this.tell(text);
    this.place.classList.add("wrong");
    if (isTyped) this.field.setAttribute("aria-invalid", "true");
  }

  /** Bring a refusal to whoever gave a file: here, or in passing where this is not on the page. */
  bring() {
    if (this.isShown()) this.place.scrollIntoView({ block: "nearest" });
    else toast(this.place.textContent);
  }
}
