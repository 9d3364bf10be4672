/** The line below an upload: a description of its content, or the reason for its refusal. */

import { byId, toast } from "./dom.js";

export class Note {
  /** @param {"weights" | "data" | "measured"} kind */
  constructor(kind) {
    this.line = byId(`${kind}-note`);
    this.field = byId(`${kind}-text`);
  }

  /** Whether the line is visible. */
  isShown() {
    return this.line.offsetParent !== null;
  }

  /** @param {string} text */
  show(text) {
    this.line.textContent = text;
    this.line.classList.remove("wrong");
    this.field.removeAttribute("aria-invalid");
  }

  /**
   * @param {string} text
   * @param {boolean} [isTyped] whether the text is about the content of the field
   */
  refuse(text, isTyped = false) {
    this.show(text);
    this.line.classList.add("wrong");
    if (isTyped) this.field.setAttribute("aria-invalid", "true");
  }

  /** Scroll the message into view, or show it as a toast if the line is hidden. */
  reveal() {
    if (this.isShown()) this.line.scrollIntoView({ block: "nearest" });
    else toast(this.line.textContent);
  }
}
