/** The figure of QQᵀ with its four blocks. */

import { make } from "./dom.js";
import { MapFigure } from "./map-figure.js";
import { inputName, outputName } from "./unit-names.js";

const BLOCKS = [
  ["W₁ᵀW₁", "input representation"],
  ["(W₂W₁)ᵀ", "its transpose"],
  ["W₂W₁", "network function"],
  ["W₂W₂ᵀ", "output representation"],
];

export class Representation {
  /**
   * @param {HTMLElement} host
   * @param {{
   *   slug: () => string, caption: () => string, state: () => import("./state.js").State | null,
   * }} run that is shown
   */
  constructor(host, { slug, caption, state }) {
    this.into = 0; // number of inputs
    const name = (/** @type {number} */ i) =>
      i < this.into ? inputName(state(), i) : outputName(state(), i - this.into);
    this.map = new MapFigure(host, {
      id: "representation",
      title: "Representation",
      subtitle: "QQᵀ: four blocks of products of the layers",
      slug,
      caption,
      block: (row, column) => blockName(row < this.into, column < this.into),
      row: name,
      column: name,
    });
    const blocks = BLOCKS.map(([symbol, words], i) =>
      make("span", { class: `block block-${i}` }, make("b", {}, symbol), ` ${words}`),
    );
    this.map.frame.prepend(...blocks);
  }

  /**
   * @param {{ values: Float64Array, rows: number, columns: number, largest: number }} matrix
   * @param {number} into
   * @param {number} time
   */
  show(matrix, into, time) {
    this.into = into;
    this.map.frame.style.setProperty("--into", `${(100 * into) / matrix.rows}%`);
    this.map.show({ ...matrix, cut: [into, into] }, time);
  }
}

/**
 * @param {boolean} rowIsInput
 * @param {boolean} columnIsInput
 */
function blockName(rowIsInput, columnIsInput) {
  if (rowIsInput) return columnIsInput ? "W₁ᵀW₁, input representation" : "(W₂W₁)ᵀ, network function";
  return columnIsInput ? "W₂W₁, network function" : "W₂W₂ᵀ, output representation";
}
