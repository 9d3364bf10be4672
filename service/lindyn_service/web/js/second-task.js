/** A second task with the singular values of the first and other singular vectors. */

/**
 * @param {import("./state.js").State} state
 * @param {number[]} strengths singular values of the best network function of the first task
 */
export function secondTask({ task, levels, samples, secondSeed: seed }, strengths) {
  if (task === "semantic") return otherLeaves(levels, seed);
  if (task === "regression") return { kind: "regression", samples, seed };
  return { kind: "spectrum", singular_values: strengths.map(Math.abs), seed };
}

/**
 * The same tree with the items permuted among its leaves; inputs and learning speed are those of the first task.
 * @param {number} levels
 * @param {number} seed
 */
function otherLeaves(levels, seed) {
  const features = hierarchy(levels);
  const order = shuffled(features.length, seed);
  const inputs = features.map((_, i) => features.map((__, j) => Number(i === j)));
  return { kind: "data", inputs, targets: order.map((leaf) => features[leaf]), whiten: false };
}

/**
 * Features of the items, one row for each: the root, then all inner nodes, breadth first, +1 for left and −1 for right items.
 * @param {number} levels
 */
export function hierarchy(levels) {
  const items = 2 ** levels;
  return Array.from({ length: items }, (_, item) => {
    const row = [1];
    for (let level = 0; level < levels; level += 1) {
      const [width, own] = [items / 2 ** level, Math.floor(item / (items / 2 ** level))];
      for (let node = 0; node < 2 ** level; node += 1) row.push(node === own ? (item % width < width / 2 ? 1 : -1) : 0);
    }
    return row;
  });
}

/**
 * A permutation of 0 … count − 1 for a seed (Fisher-Yates shuffle with a linear congruential generator).
 * @param {number} count
 * @param {number} seed
 */
function shuffled(count, seed) {
  const order = Array.from({ length: count }, (_, i) => i);
  let state = (seed * 2_654_435_761 + 1) % 2 ** 32;
  for (let i = count - 1; i > 0; i -= 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
