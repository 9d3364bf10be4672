/** NumPy arrays as matrices: layers, inputs, targets, correlations. */

/** @typedef {import("./matrix.js").Matrix} Matrix */
/** @typedef {import("./npy.js").NpyArray} NpyArray */
/** @typedef {Map<string, NpyArray>} Arrays */

const INPUTS = ["inputs", "task.inputs", "x", "X", "x_train", "X_train"];
const TARGETS = ["targets", "task.targets", "y", "Y", "y_train", "Y_train"];
const CORRELATIONS = ["sigma_yx", "task.sigma_yx"];
const MAX_LISTED = 4;

/**
 * @typedef {{ table: Matrix, targets: number } | { correlation: Matrix }} Learned
 */

/**
 * The data or correlation in an archive, and the names of its arrays.
 * @param {Arrays} arrays
 * @returns {{ learned: Learned, names: string[] } | null}
 */
export function learnedIn(arrays) {
  const [inputs, targets, correlation] = [INPUTS, TARGETS, CORRELATIONS].map((names) =>
    names.find((name) => arrays.has(name)),
  );
  if (inputs !== undefined && targets !== undefined) {
    const [x, y] = [inputs, targets].map((name) => matrixOf(arrays, name, true));
    return { learned: { table: joined(x, y), targets: y.columns }, names: [inputs, targets] };
  }
  if (correlation === undefined) return null;
  return { learned: { correlation: matrixOf(arrays, correlation) }, names: [correlation] };
}

/**
 * An array as a matrix of finite numbers.
 * @param {Arrays} arrays
 * @param {string} name
 * @param {boolean} [orVector] whether a vector counts, as a column
 * @returns {Matrix}
 */
export function matrixOf(arrays, name, orVector = false) {
  const array = /** @type {NpyArray} */ (arrays.get(name));
  const { shape, values } = array;
  if (values === null) throw new Error(`${name} ${whatIsIn(array)}: expected real numbers`);
  const fits = shape.length === 2 || (orVector && shape.length === 1);
  if (!fits) throw new Error(`${name} ${whatIsIn(array)}: expected a matrix`);
  if (shape.includes(0)) throw new Error(`${name} is empty: expected a matrix`);
  const [rows, columns] = [shape[0], shape[1] ?? 1];
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    const place = `row ${Math.floor(wrong / columns) + 1}, column ${(wrong % columns) + 1}`;
    throw new Error(`${name} is not finite at ${place}: ${values[wrong]}`);
  }
  return { rows, columns, values };
}

/** Description of the content of an array. @param {NpyArray} array */
export function whatIsIn({ values, shape, holds }) {
  if (values === null) return `holds ${holds}`;
  if (shape.length === 1) return `has one dimension (${shape[0]})`;
  return `has ${shape.length} dimensions (${shape.join(" × ")})`;
}

/**
 * A sentence about the unused arrays of an archive; empty if there are none.
 * @param {Arrays} arrays
 * @param {string[]} used
 */
export function leftOut(arrays, used) {
  const names = [...arrays]
    .filter(([name, { shape }]) => !used.includes(name) && shape.length > 0)
    .map(([name]) => name);
  if (names.length === 0) return "";
  const more = names.length > MAX_LISTED ? ` and ${names.length - MAX_LISTED} more` : "";
  const biases = names.some((name) => /bias|(^|[._])b\d*$/i.test(name)) ? " Networks here have no biases." : "";
  return `Left out: ${names.slice(0, MAX_LISTED).join(", ")}${more}.${biases}`;
}

/**
 * @param {Matrix} inputs
 * @param {Matrix} targets
 * @returns {Matrix}
 */
export function joined(inputs, targets) {
  if (inputs.rows !== targets.rows)
    throw new Error(`inputs have ${inputs.rows} rows, targets ${targets.rows}: rows are samples`);
  const columns = inputs.columns + targets.columns;
  const values = new Float64Array(inputs.rows * columns);
  for (let i = 0; i < inputs.rows; i += 1) {
    values.set(inputs.values.subarray(i * inputs.columns, (i + 1) * inputs.columns), i * columns);
    values.set(targets.values.subarray(i * targets.columns, (i + 1) * targets.columns), i * columns + inputs.columns);
  }
  return { rows: inputs.rows, columns, values };
}
