/** Writes what an answer says beside its pictures: method, accuracy, regime, source, notes. */

import { accuracy, effectiveLambda, methodName, notes, provenance, regimeInWords, regimeName } from "./answer-text.js";
import { byId, make } from "./dom.js";
import { capitalised, number, sentence, typeset } from "./format.js";

/** @typedef {import("./api.js").Answer} Answer */

/**
 * @param {Answer} answer
 * @param {import("./state.js").State} state
 * @param {import("./pictures.js").Pictures} pictures
 */
export function describe(answer, state, pictures) {
  const { method, reason } = answer.meta;
  const effective = effectiveLambda(answer, state);
  const name = regimeName(answer);
  byId("words").replaceChildren(
    make("b", { class: "method" }, methodName(method)),
    ` — ${accuracy(answer)}. `,
    make("span", { class: "timing", id: "timing" }, `${provenance(answer)}.`),
    make("br"),
    make("span", { id: "verdict" }, make("b", {}, capitalised(name)), " — ", `${regimeInWords(answer, state.stop)}.`),
    ...(effective === "" ? [] : [make("br"), make("span", { id: "effective-lambda" }, effective)]),
  );
  byId("how").hidden = false;
  byId("how-text").textContent = capitalised(sentence(typeset(reason)));
  byId("regime").textContent = [name, ...lambdaInWords(answer, state)].join(", ");
  pictures.setNotes(notes(answer, state.stop));
}

/** What λ is, where it is not chosen. @param {Answer} answer @param {import("./state.js").State} state */
function lambdaInWords({ meta }, state) {
  if (state.network === "balanced") return [];
  if (state.network === "random" && meta.lambda !== null) return ["independent weights"]; // the nearest λ would mislead
  const { lambda_eff: effective } = meta.diagnostics;
  if (typeof effective === "number") return [`learns as with λ = ${number(effective)}`];
  return [meta.lambda === null ? "λ of each pair of layers" : `nearest λ ${number(meta.lambda)}`];
}
