/** Recognises the arrays of an archive that are the layers of a network, and their order. */

import { whatIsIn } from "./arrays.js";

/**
 * @typedef {import("./npy.js").NpyArray} NpyArray
 * @typedef {{ names: string[], transposed: boolean }} Order names of the layers, first layer first; transposed if stored as (in, out)
 * @typedef {{ orders: Order[], why: string }} Layers possible orders (one, none, or several to choose from), and the reason if not one
 */

/** Words that express the order of layers, like numbers. */
const ORDERED_WORDS = [
  ["encoder", "decoder"],
  ["enc", "dec"],
  ["first", "second", "third", "fourth", "fifth"],
  ["input", "hidden", "output"],
  ["in", "hidden", "out"],
  ["bottom", "top"],
  ["lower", "upper"],
];
const CANONICAL = /^(network\.)?w(eights?)?[._]?#$/i;
const MAX_PERMUTED = 4; // more layers without ordered names are refused

/**
 * The layers of an archive, ordered by their names; if these give no order, by widths that fit in a single order.
 * @param {Map<string, NpyArray>} arrays
 * @param {boolean} named whether only ordered names count, because the archive holds other matrices
 * @returns {Layers | null} null if there are no layers; no orders if none fits
 */
export function layersIn(arrays, named) {
  const series = seriesOf([...arrays].filter(([, { shape }]) => shape.length > 0).map(([name]) => name));
  const canonical = series.filter(
    (each) => CANONICAL.test(each.pattern) && each.names.some((name) => isMatrix(arrays, name)),
  );
  if (canonical.length > 0) return bySeries(canonical, arrays);
  const numbers = series.filter(({ names }) =>
    names.every((name) => isMatrix(arrays, name) && arrays.get(name)?.holds === ""),
  );
  const found = bySeries(numbers, arrays);
  if (found !== null || named) return found;
  const matrices = [...arrays.keys()].filter((name) => isMatrix(arrays, name));
  const real = matrices.filter((name) => arrays.get(name)?.holds === "");
  return byWidths(real.length > 1 ? real : matrices, arrays);
}

/** Description of an order, such as W1, then W2: 4 → 5 → 3. @param {Order} order @param {Map<string, NpyArray>} arrays */
export function described({ names, transposed }, arrays) {
  const layers = names.map((name) => widths(arrays, name, transposed));
  const chain = [layers[0].into, ...layers.map(({ out }) => out)].join(" → ");
  return `${names.join(", then ")}${transposed ? ", transposed" : ""}: ${chain}`;
}

/**
 * Series of names that differ only in a number or an ordered word, sorted by it.
 * @param {string[]} names
 * @returns {{ pattern: string, names: string[] }[]}
 */
function seriesOf(names) {
  /** @type {Map<string, Map<string, number[]>>} */
  const found = new Map();
  const put = (/** @type {string} */ pattern, /** @type {string} */ name, /** @type {number[]} */ rank) =>
    found.set(pattern, (found.get(pattern) ?? new Map()).set(name, rank));
  for (const name of names) {
    const numbers = [...name.matchAll(/\d+/g)].map(({ 0: text, index }) => ({ text, index, rank: Number(text) }));
    const words = wordsIn(name);
    for (const each of [...numbers, ...words]) put(without(name, [each]), name, [each.rank]);
    for (const word of words)
      for (const each of numbers) put(without(name, [word, each]), name, [word.rank, each.rank]);
  }
  return [...found]
    .filter(([, ranks]) => ranks.size > 1 && new Set([...ranks.values()].map(String)).size === ranks.size)
    .map(([pattern, ranks]) => ({
      pattern,
      names: [...ranks].sort(([, a], [, b]) => a[0] - b[0] || a[1] - b[1]).map(([name]) => name),
    }));
}

/** @param {string} name @returns {{ text: string, index: number, rank: number, scale?: string }[]} */
function wordsIn(name) {
  return ORDERED_WORDS.flatMap((scale) =>
    scale.flatMap((word, rank) => {
      const index = name.toLowerCase().search(new RegExp(`(?<![a-z])${word}(?![a-z])`));
      return index < 0 ? [] : [{ text: word, index, rank, scale: scale[0] }];
    }),
  );
}

/** @param {string} name @param {{ text: string, index: number, scale?: string }[]} parts */
function without(name, parts) {
  let pattern = name;
  for (const { text, index, scale } of [...parts].sort((a, b) => b.index - a.index)) {
    pattern = `${pattern.slice(0, index)}#${scale ?? ""}${pattern.slice(index + text.length)}`;
  }
  return pattern;
}

/**
 * @param {{ pattern: string, names: string[] }[]} series
 * @param {Map<string, NpyArray>} arrays
 * @returns {Layers | null}
 */
function bySeries(series, arrays) {
  const orders = unique(series.map(({ names }) => ({ names, transposed: false })));
  const fitting = orders.filter((order) => chains(order, arrays));
  const whole = fitting.filter((order) => !fitting.some((other) => isPart(order, other)));
  if (whole.length > 0) return { orders: whole, why: "several series of matrices can be the layers" };
  if (orders.length !== 1) return null;
  const others = [{ names: orders[0].names, transposed: true }, ...permuted(orders[0].names)];
  return { orders: others.filter((order) => chains(order, arrays)), why: misfit(orders[0].names, arrays) };
}

/**
 * @param {string[]} names
 * @param {Map<string, NpyArray>} arrays
 * @returns {Layers | null}
 */
function byWidths(names, arrays) {
  if (names.length < 2) return null;
  if (names.length > MAX_PERMUTED)
    return { orders: [], why: `the names ${names.slice(0, 3).join(", ")}, … give no order: expected W1, W2, …` };
  const orders = permuted(names).filter((order) => chains(order, arrays));
  return {
    orders,
    why: orders.length > 0 ? `the names ${names.join(", ")} do not say which comes first` : misfit(names, arrays),
  };
}

/** @param {string[]} names @returns {Order[]} */
function permuted(names) {
  if (names.length > MAX_PERMUTED) return [];
  if (names.length < 2) return [{ names, transposed: false }];
  return names.flatMap((first) =>
    permuted(names.filter((name) => name !== first)).map((rest) => ({
      names: [first, ...rest.names],
      transposed: false,
    })),
  );
}

/** @param {Order[]} orders */
function unique(orders) {
  return [...new Map(orders.map((order) => [order.names.join("\n"), order])).values()];
}

/** Whether one order is a part of another. @param {Order} part @param {Order} whole */
function isPart(part, whole) {
  return part.names.length < whole.names.length && part.names.every((name) => whole.names.includes(name));
}

/** Whether each layer takes as many inputs as the one before has outputs. @param {Order} order @param {Map<string, NpyArray>} arrays */
function chains({ names, transposed }, arrays) {
  if (!names.every((name) => isMatrix(arrays, name))) return false;
  const layers = names.map((name) => widths(arrays, name, transposed));
  return layers.every(({ into }, i) => i === 0 || into === layers[i - 1].out);
}

/** Reason why layers in this order do not fit. @param {string[]} names @param {Map<string, NpyArray>} arrays */
function misfit(names, arrays) {
  const odd = names.find((name) => !isMatrix(arrays, name));
  if (odd !== undefined) return `${odd} ${whatIsIn(/** @type {NpyArray} */ (arrays.get(odd)))}: expected a matrix`;
  const layers = names.map((name) => widths(arrays, name, false));
  const i = layers.findIndex(({ into }, at) => at > 0 && into !== layers[at - 1].out);
  const [name, before, { out }] = [names[i], names[i - 1], layers[i - 1]];
  const outputs = `${out} output${out === 1 ? "" : "s"}`;
  return `${name} takes ${layers[i].into} inputs, but ${before} has ${outputs}: expected ${before} (hidden, in), first layer first`;
}

/** @param {Map<string, NpyArray>} arrays @param {string} name */
function isMatrix(arrays, name) {
  const shape = arrays.get(name)?.shape ?? [];
  return shape.length === 2 && shape.every((size) => size > 0);
}

/** @param {Map<string, NpyArray>} arrays @param {string} name @param {boolean} transposed */
function widths(arrays, name, transposed) {
  const [out, into] = /** @type {NpyArray} */ (arrays.get(name)).shape;
  return transposed ? { into: out, out: into } : { into, out };
}
