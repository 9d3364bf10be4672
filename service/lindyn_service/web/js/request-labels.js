/** The words of the page for the parts of its requests, which refusals of the service call by their paths. */

import { sentence, typeset } from "./format.js";

/** The fields that show a part of a request, by its path; of several, the first that is visible. @type {Record<string, string[]>} */
const FIELDS = {
  "network.kind": ["network"],
  "network.dims": ["dims"],
  "network.scale": ["scale"],
  "network.seed": ["seed", "random-seed"],
  "network.scheme": ["scheme"],
  "network.gain": ["gain"],
  "network.aligned": ["aligned"],
  "network.weights": ["weights-text"],
  "task.kind": ["task"],
  "task.levels": ["levels"],
  "task.singular_values": ["spectrum"],
  "task.samples": ["samples"],
  "task.seed": ["regression-seed", "spectrum-seed"],
  "task.whiten": ["whiten"],
  times: ["stop"],
  "times.start": ["start"],
  "times.stop": ["stop"],
  "times.num": ["num"],
  "times.spacing": ["spacing"],
  num: ["num"],
  time_constant: ["tau"],
  "method.learning_rate": ["rate"],
  "method.activation": ["units"],
  weight_decay: ["decay"],
  learning_rates: ["rates"],
  schedule: ["schedule"],
  "schedule.kind": ["schedule"],
  "schedule.period": ["period"],
  "schedule.floor": ["floor"],
  "schedule.half_life": ["half-life"],
  "schedule.times": ["change-times"],
  "schedule.factors": ["factors"],
  replicates: ["bands-seeds"],
  first_seed: ["seed", "random-seed"],
};

/** Parts of requests without a field of their own. @type {Record<string, string>} */
const OTHERS = {
  network: "the network",
  "network.lambda": "λ",
  task: "the task",
  "task.inputs": "inputs of the data",
  "task.targets": "targets of the data",
  "task.sigma_yx": "the data",
  axes: "the values of λ",
  observations: "the measured curve",
  free: "the numbers that the fit may change",
};

/** Words of the API that have no other meaning in a text. */
const IN_TEXTS =
  /\b(?:base\.)?(?:(?:network|task|times|method|schedule)\.[a-z_]+(?:\.\d+)*|weight_decay|learning_rates|time_constant|first_seed)\b(?: = (true|false))?/g;

/** Quantities, which warnings call by their names in the API. */
const QUANTITIES =
  /\b(?:excess_loss|loss_rate|singular_values|mode_strengths|effective_rank|task_specificity|weight_norms|(?:ntk|kernel)_[a-z]+|rsm_[a-z]+|(?:input|output)_representation)\b/g;

/**
 * The path of a part of a trajectory's request, from that of a part of any request of the page.
 * @param {string} path
 */
function ofTrajectory(path) {
  return path
    .replace(/^base\./, "")
    .replace(/^tasks\.\d+\.task\b/, "task")
    .replace(/^tasks\.\d+\.duration$/, "times.stop")
    .replace(/^(axes|observations|free)\..*$/, "$1")
    .replace(/(\.\d+)+$/, "");
}

/**
 * The id of the field that shows a part of a request; undefined without a visible one.
 * @param {string} path
 */
export function fieldOf(path) {
  return FIELDS[ofTrajectory(path)]?.find((id) => isVisible(id));
}

/** The label of a part of a request; its path if the page has no words for it. @param {string} path */
export function labelOf(path) {
  if (/^tasks\.[1-9]\d*\.task\.seed$/.test(path)) return quoted("second-seed");
  const known = ofTrajectory(path);
  const ids = FIELDS[known];
  if (ids === undefined) return OTHERS[known] ?? (path === "" ? "the request" : path);
  return quoted(ids.find((id) => isVisible(id)) ?? ids[0]);
}

/** A text of the service as sentences of the page: with its labels, its notation and a full stop. @param {string} text */
export function inPageWords(text) {
  return sentence(typeset(withLabels(text)));
}

/**
 * A text of the service with the labels of the page in place of names of the API, and without advice that is none here.
 * @param {string} text
 */
export function withLabels(text) {
  return text
    .replace(/ \((?:GET|POST) \/v1\/[^)]*\)/g, "")
    .replace("loosen rtol and atol, ", "")
    .replace(/\breplicates\b/g, "seeds")
    .replace(IN_TEXTS, (path, value) => {
      const label = labelOf(path.replace(/ = .*$/, ""));
      return value === undefined ? label : `${label} ${value === "true" ? "on" : "off"}`;
    })
    .replace(QUANTITIES, (name) => name.replaceAll("_", " ").replace(/^(ntk|rsm)/, (word) => word.toUpperCase()));
}

/** @param {string} id */
function isVisible(id) {
  return /** @type {HTMLElement | null} */ (document.getElementById(id))?.offsetParent !== null;
}

/** The label of a field, in quotation marks. @param {string} id */
export function quoted(id) {
  const field = /** @type {HTMLInputElement} */ (document.getElementById(id));
  return `“${field.labels?.[0]?.textContent?.trim() ?? id}”`;
}
