/** What went wrong, in words, where it matters. */

import { Problem, Unreachable } from "./api.js";
import { byId, make } from "./dom.js";
import { duration, sentence } from "./format.js";

/**
 * Show a problem in its box, or clear it.
 * @param {string} id
 * @param {Error | null} error
 * @param {number | null} [retryMs] when it is asked again
 * @param {string} [instead] of the details, where these are told elsewhere
 */
export function tellProblem(id, error, retryMs = null, instead = "") {
  const box = byId(id);
  box.hidden = error === null;
  if (error === null) {
    box.replaceChildren();
    return;
  }
  const { title, text } = inWords(error);
  const again = retryMs === null ? "" : ` Trying again in ${duration(retryMs)}.`;
  box.dataset.code = error instanceof Problem ? error.code : error instanceof Unreachable ? "unreachable" : "page";
  const message = `${instead === "" ? text : instead}${again}`;
  if (box.dataset.shown !== message || box.childElementCount === 0)
    box.replaceChildren(make("strong", {}, title), " ", message);
  box.dataset.shown = message;
}

/** @param {Error} error */
function inWords(error) {
  if (error instanceof Unreachable) {
    return {
      title: "The service does not answer.",
      text: "The pictures are of its last answer; it is asked again until it is back.",
    };
  }
  if (error instanceof Problem) {
    const detail = sentence(error.message);
    return {
      title: `${error.title}.`,
      text: /^[a-z]+[._]/.test(detail) ? detail : detail.charAt(0).toUpperCase() + detail.slice(1),
    };
  }
  return { title: "This does not work.", text: error.message };
}
