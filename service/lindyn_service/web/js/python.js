/** Parts of a request as Python: networks and tasks by the builders of the client. */

/** @param {any} network */
export function network({ kind, dims, lambda, scale, aligned, seed, scheme, gain, start, weights }) {
  if (kind === "weights") return `lindyn.weights(${weights.map(literal).join(", ")})`;
  const widths = literal(dims);
  if (kind === "balanced") {
    const options = { lam: lambda, scale, ...(aligned ? { aligned } : {}), seed };
    return `lindyn.balanced(${widths}, ${named(options)})`;
  }
  return `lindyn.${kind}(${widths}, ${literal(scheme)}, ${named({ gain, ...(start === undefined ? {} : { start }), seed })})`;
}

/** @param {any} task */
export function task({ kind, levels, samples, seed, singular_values, inputs, targets, whiten, sigma_yx }) {
  switch (kind) {
    case "semantic":
      return `lindyn.semantic(${levels})`;
    case "regression":
      return `lindyn.regression(${samples}, ${named({ seed })})`;
    case "spectrum":
      return `lindyn.spectrum(${literal(singular_values)}, ${named({ seed })})`;
    case "data":
      return `lindyn.data(${floats(inputs)}, ${floats(targets)}, ${named({ whiten })})`;
    default:
      return literal(sigma_yx);
  }
}

/** A matrix of floats, since integers might be labels of classes. @param {number[][]} matrix */
function floats(matrix) {
  const written = matrix.map((row) => row.map((value) => (Number.isInteger(value) ? value.toFixed(1) : String(value))));
  return `[${written.map((row) => `[${row.join(", ")}]`).join(", ")}]`;
}

/** @param {Record<string, unknown>} options */
function named(options) {
  return Object.entries(options)
    .map(([name, value]) => `${name}=${literal(value)}`)
    .join(", ");
}

/**
 * A JSON value as a Python literal.
 * @param {unknown} value
 * @returns {string}
 */
export function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value)
      .map(([name, each]) => `${JSON.stringify(name)}: ${literal(each)}`)
      .join(", ")}}`;
  }
  return JSON.stringify(value);
}
