/** Error messages next to the part of the page that they concern. */

import { Problem, Unreachable } from "./api.js";
import { byId, make } from "./dom.js";
import { capitalised, duration, sentence } from "./format.js";

/**
 * Show an error in its box, or clear the box.
 * @param {string} id
 * @param {Error | null} error
 * @param {number | null} [retryMs] time until the request is repeated
 * @param {string} [instead] text instead of the details, if these are shown elsewhere
 */
export function showError(id, error, retryMs = null, instead = "") {
  const box = byId(id);
  box.hidden = error === null;
  if (error === null) {
    box.replaceChildren();
    return;
  }
  const { title, text } = inWords(error, retryMs !== null);
  const again = retryMs === null ? "" : ` Trying again in ${duration(retryMs)}.`;
  box.dataset.code = error instanceof Problem ? error.code : error instanceof Unreachable ? "unreachable" : "page";
  const message = `${instead === "" ? text : instead}${again}`;
  if (box.dataset.shown !== message || box.childElementCount === 0)
    box.replaceChildren(make("strong", {}, title), " ", message);
  box.dataset.shown = message;
}

/** @param {Error} error @param {boolean} isRepeated whether the page repeats the request */
function inWords(error, isRepeated) {
  if (error instanceof Unreachable) {
    return {
      title: "The service does not answer.",
      text: isRepeated ? "The pictures show its last answer; the page keeps trying." : "Try again when it is there.",
    };
  }
  if (error instanceof Problem) {
    return { title: `${error.title}.`, text: capitalised(sentence(error.message)) };
  }
  return { title: "This does not work.", text: error.message };
}
