/** Writes what an answer says beside its pictures: method, accuracy, regime, source, notes. */

import { accuracy, methodName, notes, provenance, regimeInWords, regimeName } from "./answer-text.js";
import { byId, make } from "./dom.js";
import { number, typeset } from "./format.js";

/** @typedef {import("./api.js").Answer} Answer */

/**
 * @param {Answer} answer
 * @param {import("./state.js").State} state
 * @param {import("./pictures.js").Pictures} pictures
 */
export function describe(answer, state, pictures) {
  const { method, reason } = answer.meta;
  const name = regimeName(answer);
  byId("words").replaceChildren(
    make("b", { class: "method" }, methodName(method)),
    ` — ${accuracy(answer)}. `,
    make("span", { class: "why" }, `Why: ${typeset(reason)}.`),
    " ",
    make("span", { class: "timing", id: "timing" }, `${provenance(answer)}.`),
    make("br"),
    make(
      "span",
      { id: "verdict" },
      make("b", {}, `${name.charAt(0).toUpperCase()}${name.slice(1)}`),
      " — ",
      `${regimeInWords(answer, state.stop)}.`,
    ),
  );
  byId("regime").textContent = [name, ...lambdaInWords(answer, state)].join(", ");
  pictures.setNotes(notes(answer, state.stop));
}

/** What λ is, where it is not chosen. @param {Answer} answer @param {import("./state.js").State} state */
function lambdaInWords({ meta }, state) {
  if (state.network === "balanced") return [];
  const { lambda_eff: effective } = meta.diagnostics;
  if (typeof effective === "number") return [`learns as with λ = ${number(effective)}`];
  return [meta.lambda === null ? "λ of each pair of layers" : `nearest λ ${number(meta.lambda)}`];
}
