/** The result of a fit: estimates with their intervals, and what the curve cannot tell. */

import { byId, make } from "./dom.js";
import { PARAMETERS, withLabels } from "./fit-parameters.js";
import { capitalised, counted, number } from "./format.js";
import { inPageWords } from "./request-labels.js";

const DIGITS = 4;
const POOR = 4; // standard deviations of χ² by which it exceeds its mean when a fit is called poor
const NO_WARNING = "The curve determines each of these values.";

/**
 * @typedef {{
 *   problem?: { detail: string } | null, parameters: { path: string }[], estimates: Record<string, number>,
 *   standard_errors: Record<string, number | null>, intervals: Record<string, (number | null)[]>,
 *   sigma: number | null, chi2: number, dof: number, residuals: number[][],
 *   warnings: { code: string, detail: string }[],
 * }} Model
 */

/** @param {Model} model @param {number} level coverage of the intervals */
export function showResult(model, level) {
  byId("fit-interval").textContent = `${number(100 * level)} % interval`;
  byId("fit-estimates").replaceChildren(...model.parameters.map(({ path }) => rowOf(model, path)));
  byId("fit-words").textContent = quality(model);
  const warnings = model.warnings.map(({ detail }) => capitalised(inPageWords(withLabels(detail))));
  byId("fit-warnings").replaceChildren(
    ...(warnings.length === 0 ? [NO_WARNING] : warnings).map((text) => make("li", {}, text)),
  );
}

/** @param {Model} model @param {string} path */
function rowOf({ estimates, intervals, standard_errors: errors }, path) {
  const label = PARAMETERS.find((each) => each.path === path)?.label ?? path;
  const [low, high] = intervals[path] ?? [null, null];
  return make(
    "tr",
    { "data-path": path },
    make("th", { scope: "row" }, label),
    make("td", {}, number(estimates[path], DIGITS)),
    make("td", {}, `${number(low, DIGITS)} to ${number(high, DIGITS)}`),
    make("td", {}, number(errors[path], 2)),
  );
}

/** A sentence about the residuals. @param {Model} model */
function quality({ sigma, chi2, dof, residuals }) {
  const count = residuals.reduce((sum, each) => sum + each.length, 0);
  if (sigma !== null && sigma !== undefined)
    return `${count} values; their standard deviation about the curve is ${number(sigma)}, as estimated from the residuals.`;
  const isPoor = chi2 > dof + POOR * Math.sqrt(2 * dof); // the standard deviation of χ² is √(2 dof)
  const verdict = isPoor
    ? " The residuals are larger than these standard deviations: no such network describes the curve."
    : "";
  const freedom = `${dof} ${dof === 1 ? "degree" : "degrees"} of freedom`;
  return `${counted(count, "value")}, χ² = ${number(chi2, DIGITS)} for ${freedom}.${verdict}`;
}
