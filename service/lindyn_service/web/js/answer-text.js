/**
 * Sentences about an answer: its method and the reason for it, its accuracy, source and time, and its warnings.
 * @typedef {import("./api.js").Answer} Answer
 */

import { capitalised, duration, number } from "./format.js";
import { inPageWords } from "./request-labels.js";

const SOURCES = /** @type {Record<string, string>} */ ({
  hit: "Found in the cache",
  miss: "Computed",
  coalesced: "Computed once for several equal requests",
});

/** @param {string} method */
export function methodName(method) {
  return (
    /** @type {Record<string, string>} */ ({ exact: "Exact", flow: "Integrated", descent: "Simulated" })[method] ??
    method
  );
}

/** @param {Answer} answer */
export function accuracy({ meta }) {
  if (meta.method === "exact") return "computed from a formula, up to rounding errors";
  if (meta.method === "flow")
    return `computed step by step in time, because no formula covers this network; relative errors about ${number(meta.diagnostics.error_estimate, 1)}`;
  return "gradient descent, step by step";
}

/** @param {Answer} answer */
export function provenance({ source, serverMs, totalMs }) {
  return `${SOURCES[source] ?? source} in ${duration(serverMs)}, received after ${duration(totalMs)}`;
}

/**
 * The λ with which independent random weights learn, in words; empty for other networks.
 * @param {Answer} answer
 * @param {import("./state.js").State} state
 */
export function effectiveLambda({ meta, arrays }, { network, rates }) {
  const norms = arrays.get("weight_norms")?.values;
  if (network !== "random" || meta.dims.length !== 3 || !norms) return "";
  const sizes = [norms[0], norms[1]].map((norm, i) => norm ** 2 / (rates[i] ?? 1));
  const size = number(sizes[0] / meta.dims[0] + sizes[1] / meta.dims[2]);
  return `No λ is that of independent weights. With a hidden layer much wider than inputs and outputs, here ${meta.dims.join("-")}, they learn as with |λ| = ‖W₁‖²/in + ‖W₂‖²/out, which is ${size} at the start.`;
}

const EQUAL_TOLERANCE = 1e-12; // relative to the strongest mode: modes that differ by less count as equal

/** The picture and the explanation of each warning; `instead` replaces the text of the warning. */
const EXPLANATIONS = /** @type {Record<string, { at: string, why: string, instead?: string }>} */ ({
  saddle: {
    at: "singular-values",
    why: "The loss has a saddle here: the initial weights have no component along this mode, so its gradient is zero and exact training never leaves the saddle. Another seed, or λ ≠ 0, usually avoids it.",
  },
  "ill-conditioned": {
    at: "singular-values",
    why: "The later part of this run depends on rounding errors of the weights; only the earlier part is reliable.",
  },
  "tolerance-not-met": { at: "loss", why: "" },
  "irreducible-loss-unknown": {
    at: "loss",
    why: "",
    instead: "The scale of the targets is not given, so the loss is the excess loss.",
  },
  "no-samples": {
    at: "kernel",
    why: "",
    instead: "Without samples, the kernel is computed with the square root of Σₓₓ as inputs.",
  },
});

/**
 * Notes on the pictures, by the ids of the pictures.
 * @param {Answer} answer
 * @param {number} horizon
 * @returns {Map<string, string[]>}
 */
export function notes(answer, horizon) {
  const found = new Map();
  const add = (/** @type {string} */ id, /** @type {string} */ text) => found.set(id, [...(found.get(id) ?? []), text]);
  for (const { code, detail } of grouped(answer.meta.warnings)) {
    const { at, why } = EXPLANATIONS[code] ?? { at: "loss", why: "" };
    add(at, `${warningInWords(code, detail)} ${why}`.trim());
  }
  for (const text of alignmentNotes(answer)) add("alignment", text);
  const rounding = answer.meta.diagnostics.conditioning?.rounding_time;
  if (typeof rounding === "number" && rounding < horizon) {
    add(
      "singular-values",
      `From t ≈ ${number(rounding)} on, the result depends on rounding errors of the initial weights.`,
    );
  }
  return found;
}

/** A warning of the service as a sentence. @param {string} code @param {string} detail */
export function warningInWords(code, detail) {
  return EXPLANATIONS[code]?.instead ?? capitalised(inPageWords(detail));
}

/** @param {Answer} answer */
function alignmentNotes({ meta, arrays }) {
  /** @type {number[]} */
  const strengths = meta.diagnostics.task_singular_values ?? [];
  const equal = strengths.some((each, i) => each > 0 && strengths[i - 1] - each < EQUAL_TOLERANCE * strengths[0]);
  const gaps = arrays.get("alignment.input")?.values?.some(Number.isNaN);
  return [
    ...(equal
      ? [
          "Modes with equal singular values share one line, because the task determines only the subspace that they span.",
        ]
      : []),
    ...(gaps ? ["Lines have gaps where the singular vectors of the task or of the network are undetermined."] : []),
  ];
}

/**
 * Warnings, with those of several modes merged into one.
 * @param {{ code: string, detail: string, modes?: number[] }[]} warnings
 */
export function grouped(warnings) {
  const saddles = warnings.filter(({ code }) => code === "saddle");
  if (saddles.length < 2) return warnings;
  const modes = saddles.flatMap(({ modes = [] }) => modes.map((mode) => mode + 1)).join(", ");
  const one = {
    code: "saddle",
    detail: `modes ${modes} have no overlap with the initial weights and are never learned`,
  };
  return [one, ...warnings.filter(({ code }) => code !== "saddle")];
}

const REGIMES = /** @type {Record<string, string>} */ ({
  rich: "rich",
  lazy: "lazy",
  between: "between rich and lazy",
});

/** The regime in a few words. @param {Answer} answer */
export function regimeName({ meta }) {
  return meta.regime === null || meta.regime === undefined ? "regime undetermined" : REGIMES[meta.regime.verdict];
}

/** The regime with the numbers that decide on it. @param {Answer} answer @param {number} horizon */
export function regimeInWords({ meta }, horizon) {
  const until = `by t = ${number(horizon, 4)}`;
  if (meta.regime === null || meta.regime === undefined)
    return `${until}, less than half of the loss is learned, or rounding errors decide`;
  const { ntk_movement: movement, kernel_distance: distance } = meta.regime;
  return `${until}, the tangent kernel has moved by ${number(movement)} times its initial norm, and its distance from the initial kernel is ${number(distance)}`;
}
