/** Heat map of a matrix, whose rows and columns may be cut into blocks. */

import { diverging, token } from "./colours.js";
import { number } from "./format.js";
import { hideTooltip, showTooltip } from "./tooltip.js";

const GAP = 3; // pixels between blocks

/**
 * `largest`: magnitude that has the strongest colour; `cut`: rows and columns before the gap, 0 without one.
 * @typedef {{ values: Float64Array, rows: number, columns: number, largest: number, cut: [number, number] }} Shown
 */

export class HeatMap {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(row: number, column: number) => { title: string, entry: string }} names of the entries
   */
  constructor(canvas, names) {
    this.canvas = canvas;
    this.names = names;
    /** @type {Shown | null} */
    this.shown = null;
    this.at = { row: 0, column: 0 };
    canvas.addEventListener("pointermove", (event) => this.#hover(event));
    canvas.addEventListener("pointerleave", hideTooltip);
    canvas.addEventListener("blur", hideTooltip);
    canvas.addEventListener("keydown", (event) => this.#move(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** @param {Shown} shown */
  set(shown) {
    this.shown = shown;
    this.draw();
  }

  draw() {
    if (this.shown === null) return;
    const pixels = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (pixels === 0) return;
    if (this.canvas.width !== pixels) this.canvas.width = this.canvas.height = pixels;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, pixels, pixels);
    const { rows, columns, cut } = this.shown;
    const small = image(this.shown);
    for (const row of edges(pixels, rows, cut[0])) {
      for (const column of edges(pixels, columns, cut[1])) {
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

  /** @param {PointerEvent} event */
  #hover(event) {
    if (this.shown === null) return;
    const box = this.canvas.getBoundingClientRect();
    const { rows, columns } = this.shown;
    this.at = {
      row: within(Math.floor(((event.clientY - box.top) / box.height) * rows), rows),
      column: within(Math.floor(((event.clientX - box.left) / box.width) * columns), columns),
    };
    this.#showEntry(this.shown, { left: event.clientX, top: event.clientY });
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (event.key === "Escape") hideTooltip();
    if (step === undefined || this.shown === null) return;
    event.preventDefault();
    const { rows, columns } = this.shown;
    this.at = { row: within(this.at.row + step[0], rows), column: within(this.at.column + step[1], columns) };
    const box = this.canvas.getBoundingClientRect();
    this.#showEntry(this.shown, {
      left: box.left + ((this.at.column + 1) / columns) * box.width,
      top: box.top + (this.at.row / rows) * box.height,
    });
  }

  /** @param {Shown} shown @param {{ left: number, top: number }} place */
  #showEntry({ values, columns }, place) {
    const { row, column } = this.at;
    const { title, entry } = this.names(row, column);
    showTooltip(place, title, [{ label: entry, value: number(values[row * columns + column], 4) }]);
  }
}

/** The nearest index of `count`. @param {number} index @param {number} count */
function within(index, count) {
  return Math.max(0, Math.min(count - 1, index));
}

/** A matrix with one pixel for each entry. @param {Shown} shown */
function image({ values, rows, columns, largest }) {
  const canvas = new OffscreenCanvas(columns, rows);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = context.createImageData(columns, rows);
  const table = palette();
  for (let i = 0; i < values.length; i += 1) {
    const first = 3 * level(values[i], largest);
    pixels.data[4 * i] = table[first];
    pixels.data[4 * i + 1] = table[first + 1];
    pixels.data[4 * i + 2] = table[first + 2];
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * Positions of the blocks along one side.
 * @param {number} pixels
 * @param {number} count
 * @param {number} cut
 */
function edges(pixels, count, cut) {
  const gap = cut === 0 ? 0 : GAP * devicePixelRatio;
  const cell = (pixels - gap) / count;
  const rest = { first: cut, count: count - cut, start: cut * cell + gap, length: (count - cut) * cell };
  return cut === 0 ? [rest] : [{ first: 0, count: cut, start: 0, length: cut * cell }, rest];
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
