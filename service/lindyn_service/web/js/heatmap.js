/** Heat map of QQᵀ with four named blocks. */

import { diverging, token } from "./colours.js";
import { number } from "./format.js";
import { hideTooltip, showTooltip } from "./tooltip.js";

const GAP = 3; // pixels between blocks

export class HeatMap {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    /** @type {Float64Array | null} */
    this.values = null;
    this.into = 0;
    this.size = 0;
    this.largest = 1;
    this.at = { row: 0, column: 0 };
    canvas.addEventListener("pointermove", (event) => this.#hover(event));
    canvas.addEventListener("pointerleave", hideTooltip);
    canvas.addEventListener("blur", hideTooltip);
    canvas.addEventListener("keydown", (event) => this.#move(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /**
   * @param {Float64Array} values one matrix, row by row
   * @param {number} into number of inputs: rows and columns before those of the outputs
   * @param {number} size
   * @param {number} largest magnitude that has the strongest colour
   */
  set(values, into, size, largest) {
    Object.assign(this, { values, into, size, largest });
    this.draw();
  }

  draw() {
    if (this.values === null) return;
    const pixels = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (pixels === 0) return;
    if (this.canvas.width !== pixels) this.canvas.width = this.canvas.height = pixels;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, pixels, pixels);
    const small = this.#image();
    const edges = this.#edges(pixels);
    for (const row of edges) {
      for (const column of edges) {
        context.drawImage(
          small,
          column.first,
          row.first,
          column.count,
          row.count,
          column.start,
          row.start,
          column.length,
          row.length,
        );
      }
    }
  }

  /** The matrix with one pixel for each entry. */
  #image() {
    const canvas = new OffscreenCanvas(this.size, this.size);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const image = context.createImageData(this.size, this.size);
    const table = palette();
    const values = /** @type {Float64Array} */ (this.values);
    for (let i = 0; i < values.length; i += 1) {
      const first = 3 * level(values[i], this.largest);
      image.data[4 * i] = table[first];
      image.data[4 * i + 1] = table[first + 1];
      image.data[4 * i + 2] = table[first + 2];
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  /**
   * Positions of inputs and outputs along one side.
   * @param {number} pixels
   */
  #edges(pixels) {
    const gap = GAP * devicePixelRatio;
    const cell = (pixels - gap) / this.size;
    const [out, first] = [this.size - this.into, this.into * cell];
    return [
      { first: 0, count: this.into, start: 0, length: first },
      { first: this.into, count: out, start: first + gap, length: out * cell },
    ];
  }

  /** @param {PointerEvent} event */
  #hover(event) {
    if (this.values === null) return;
    const box = this.canvas.getBoundingClientRect();
    const index = (/** @type {number} */ place) =>
      Math.max(0, Math.min(this.size - 1, Math.floor((place / box.width) * this.size)));
    this.at = { row: index(event.clientY - box.top), column: index(event.clientX - box.left) };
    this.#showEntry({ left: event.clientX, top: event.clientY });
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (event.key === "Escape") hideTooltip();
    if (step === undefined || this.values === null) return;
    event.preventDefault();
    const within = (/** @type {number} */ value) => Math.max(0, Math.min(this.size - 1, value));
    this.at = { row: within(this.at.row + step[0]), column: within(this.at.column + step[1]) };
    const box = this.canvas.getBoundingClientRect();
    const cell = box.width / this.size;
    this.#showEntry({ left: box.left + (this.at.column + 1) * cell, top: box.top + this.at.row * cell });
  }

  /** @param {{ left: number, top: number }} place */
  #showEntry(place) {
    const { row, column } = this.at;
    const values = /** @type {Float64Array} */ (this.values);
    const name = (/** @type {number} */ i) => (i < this.into ? `input ${i + 1}` : `output ${i - this.into + 1}`);
    showTooltip(place, blockName(row < this.into, column < this.into), [
      { label: `${name(row)}, ${name(column)}`, value: number(values[row * this.size + column], 4) },
    ]);
  }
}

/**
 * @param {boolean} rowIsInput
 * @param {boolean} columnIsInput
 */
export function blockName(rowIsInput, columnIsInput) {
  if (rowIsInput) return columnIsInput ? "W₁ᵀW₁, input representation" : "(W₂W₁)ᵀ, network function";
  return columnIsInput ? "W₂W₁, network function" : "W₂W₂ᵀ, output representation";
}

/** @type {{ key: string, table: Uint8ClampedArray }} */
let kept = { key: "", table: new Uint8ClampedArray() };

export function palette() {
  const key = token("cell");
  if (kept.key !== key) kept = { key, table: diverging() };
  return kept.table;
}

/**
 * @param {number} value
 * @param {number} largest
 */
export function level(value, largest) {
  return Math.max(0, Math.min(255, Math.round(127.5 * (1 + value / (largest || 1)))));
}

/** The colour scale as a CSS background, from the smallest to the largest value. */
export function gradient() {
  const table = palette();
  const stops = Array.from(
    { length: 9 },
    (_, i) => `rgb(${table.subarray(3 * Math.round(i * 31.875), 3 * Math.round(i * 31.875) + 3).join(",")})`,
  );
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}
