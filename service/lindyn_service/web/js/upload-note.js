/** The line below an upload: what it contains, or why it is refused. */

import { byId, toast } from "./dom.js";

export class Note {
  /** @param {"weights" | "data"} kind */
  constructor(kind) {
    this.place = byId(`${kind}-note`);
    this.field = byId(`${kind}-text`);
  }

  /** Whether the line is visible. */
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
   * @param {boolean} [isTyped] whether the text is about the content of the field
   */
  refuse(text, isTyped = false) {
    this.tell(text);
    this.place.classList.add("wrong");
    if (isTyped) this.field.setAttribute("aria-invalid", "true");
  }

  /** Scroll the message into view, or show it as a toast if the line is hidden. */
  bring() {
    if (this.isShown()) this.place.scrollIntoView({ block: "nearest" });
    else toast(this.place.textContent);
  }
}
