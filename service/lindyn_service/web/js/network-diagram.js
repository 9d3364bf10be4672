/** A diagram of the live network: the lines of a layer are the stronger, the larger the norm of its weights at the cursor. */

import { byId, make } from "./dom.js";
import { number } from "./format.js";
import { series } from "./models.js";

/** @typedef {import("./models.js").Run} Run */

const SVG = "http://www.w3.org/2000/svg";
const MAX_UNITS = 5; // wider layers show the first and the last two, with dots between them
const [TOP, BOTTOM, HEIGHT, MARGIN] = [22, 82, 102, 26];
const UNLABELLED_TOP = 14; // of the picture, if there are no norms above the lines
const [MAX_GAP, MAX_WIDTH] = [78, 304]; // between layers, and of all gaps
const MAX_LABELLED = 4; // layers whose norms fit above their lines
const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";

export class NetworkDiagram {
  constructor() {
    this.figure = byId("network-diagram");
    this.image = make("div", { role: "img" });
    this.caption = make("figcaption");
    this.figure.append(this.image, this.caption);
    /** @type {Run | null} */
    this.run = null;
    this.drawn = ""; // the widths that are drawn
    /** @type {{ lines: SVGElement, label: SVGElement | null }[]} */
    this.layers = [];
  }

  /** @param {Run} run */
  show(run) {
    this.run = run;
    this.figure.hidden = false;
    const { dims } = run.answer.meta;
    if (this.drawn !== dims.join()) this.#draw(dims);
    this.drawn = dims.join();
    this.caption.textContent = `${run.pinned.length > 0 ? "The live network. " : ""}Stronger lines: larger weights`;
  }

  /**
   * @param {number} index of the time
   * @param {number} time
   * @param {boolean} resting whether the cursor is not playing; only then the text alternative follows
   */
  setIndex(index, time, resting) {
    if (this.run === null) return;
    const norms = this.layers.map((_, i) => series(/** @type {Run} */ (this.run).answer, "weight_norms", i));
    const largest = Math.max(...norms.map((values) => values.reduce((most, each) => Math.max(most, each), 0)));
    this.layers.forEach(({ lines, label }, i) => {
      const share = largest > 0 ? norms[i][index] / largest : 0;
      lines.setAttribute("stroke-opacity", (0.1 + 0.8 * share).toFixed(3));
      lines.setAttribute("stroke-width", (0.4 + 1.8 * share).toFixed(3));
      if (label !== null) label.textContent = `‖${nameOf(i)}‖ ${briefly(norms[i][index])}`;
    });
    if (!resting) return;
    const values = norms.map((each, i) => `${nameOf(i)} ${number(each[index])}`).join(", ");
    const widths = this.run.answer.meta.dims.join("-");
    this.image.setAttribute("aria-label", `Network ${widths} at t = ${number(time, 4)}. Norms of weights: ${values}`);
  }

  /** @param {number[]} dims */
  #draw(dims) {
    const gap = Math.min(MAX_GAP, MAX_WIDTH / (dims.length - 1));
    const width = 2 * MARGIN + gap * (dims.length - 1);
    const columns = dims.map((count, i) => ({ x: MARGIN + gap * i, heights: heightsOf(count), count }));
    const labelled = dims.length - 1 <= MAX_LABELLED;
    const top = labelled ? 0 : UNLABELLED_TOP;
    const height = HEIGHT - top;
    const root = shape("svg", { viewBox: `0 ${top} ${width} ${height}`, width, height, "aria-hidden": "true" });
    this.layers = columns.slice(1).map((to, i) => {
      const from = columns[i];
      const path = from.heights.flatMap((a) => to.heights.map((b) => `M${from.x} ${a}L${to.x} ${b}`)).join("");
      const lines = shape("path", { d: path, class: "lines" });
      const label = labelled ? text((from.x + to.x) / 2, 11, "") : null;
      root.append(lines, ...(label === null ? [] : [label]));
      return { lines, label };
    });
    for (const [i, { x, heights, count }] of columns.entries()) {
      for (const y of heights) root.append(shape("circle", { cx: x, cy: y, r: 4 }));
      if (count > MAX_UNITS) root.append(folded(x));
      const end = i === 0 ? "in " : i === columns.length - 1 ? "out " : "";
      root.append(text(x, HEIGHT - 4, `${end}${count}`));
    }
    this.image.replaceChildren(root);
  }
}

/** With two digits, or with one if the number needs a power of ten, whose label would meet the next. @param {number} norm */
function briefly(norm) {
  const usual = number(norm, 2);
  return usual.includes("·") ? number(norm, 1) : usual;
}

/** The heights of the units that are drawn. @param {number} count */
function heightsOf(count) {
  const step = (BOTTOM - TOP) / (MAX_UNITS - 1);
  if (count > MAX_UNITS) return [0, 1, 3, 4].map((i) => TOP + step * i);
  return Array.from({ length: count }, (_, i) => (TOP + BOTTOM + step * (2 * i - count + 1)) / 2);
}

/** Dots in place of the units that are not drawn. @param {number} x */
function folded(x) {
  const middle = (TOP + BOTTOM) / 2;
  const group = shape("g", { class: "folded" });
  group.append(...[-4, 0, 4].map((by) => shape("circle", { cx: x, cy: middle + by, r: 1.2 })));
  return group;
}

/** @param {number} x @param {number} y @param {string} content */
function text(x, y, content) {
  const element = shape("text", { x, y, "text-anchor": "middle" });
  element.textContent = content;
  return element;
}

/** @param {string} tag @param {Record<string, string | number>} attributes */
function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** @param {number} layer from 0 */
function nameOf(layer) {
  return `W${[...String(layer + 1)].map((digit) => SUBSCRIPTS[Number(digit)]).join("")}`;
}
