/**
 * Names of the inputs and outputs of a task: the items and distinctions of small semantic hierarchies, else numbers.
 * @typedef {import("./state.js").State} State
 */

/** Items of the trees by their levels, in the order of the leaves. @type {string[][]} */
const ITEMS = [
  [],
  ["animal", "plant"],
  ["bird", "fish", "tree", "flower"],
  ["robin", "canary", "salmon", "sunfish", "oak", "pine", "rose", "daisy"],
];

/** Inner nodes of a tree of three levels after its root, breadth first: what their feature tells apart. */
const FEATURES = [
  "animal or plant",
  "bird or fish",
  "tree or flower",
  "robin or canary",
  "salmon or sunfish",
  "oak or pine",
  "rose or daisy",
];

/** @param {State | null} state @param {number} index */
export function inputName(state, index) {
  return ITEMS[levelsOf(state)]?.[index] ?? `input ${index + 1}`;
}

/** @param {State | null} state @param {number} index */
export function outputName(state, index) {
  if (ITEMS[levelsOf(state)] === undefined) return `output ${index + 1}`;
  return index === 0 ? "living" : FEATURES[index - 1];
}

/** Levels of the hierarchy, −1 for other tasks. @param {State | null} state */
function levelsOf(state) {
  return state?.task === "semantic" ? state.levels : -1;
}
