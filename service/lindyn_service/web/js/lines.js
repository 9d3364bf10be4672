/**
 * Curves over a common axis, drawn by uPlot, with hover, zoom and a draggable cursor.
 * @typedef {{
 *   label: string, values: ArrayLike<number | null>, colour: string, dash?: number[], width?: number,
 *   dots?: boolean | "all", row?: string, column?: string,
 * }} Line
 * @typedef {{
 *   x: Float64Array, xLabel: string, xScale?: import("./scales.js").Scale, xName?: string,
 *   lines: Line[], yLabel: string, yLog?: boolean, yRange?: [number, number],
 *   marks?: { x: number, label: string }[],
 *   bands?: [number, number][],
 * }} Model `bands`: indices of the lines that are the upper and the lower edge of each
 */

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { scalesAndAxes, series } from "./axes.js";
import { bandsOfPlot } from "./band-shapes.js";
import { make } from "./dom.js";
import { number } from "./format.js";
import { readings } from "./readings.js";
import { hideTooltip, showTooltip } from "./tooltip.js";

const CLICK_PIXELS = 4;

/** @type {Set<Lines>} */
const all = new Set();

export function redrawAll() {
  for (const each of all) each.rebuild();
}

export class Lines {
  /**
   * @param {HTMLElement} host
   * @param {{
   *   name: string, pick?: (x: number) => void, zoom?: (range: [number, number] | null) => void,
   *   step?: (by: number) => void,
   * }} options handlers of a click, of a drag over a range, and of arrow keys
   */
  constructor(host, options) {
    this.host = host;
    this.options = options;
    /** @type {Model | null} */
    this.model = null;
    /** @type {any} */
    this.plot = null;
    this.signature = "";
    this.cursor = NaN;
    /** @type {[number, number] | null} */
    this.range = null;
    this.line = make("div", { class: "time-line", hidden: "" });
    new ResizeObserver(() => this.#resize()).observe(host);
    if (options.step !== undefined) this.#listenToKeys(options.step);
    all.add(this);
  }

  /** @param {Model} model */
  draw(model) {
    this.model = model;
    const signature = JSON.stringify([
      model.xScale,
      model.yLog,
      model.xLabel,
      model.yLabel,
      model.lines.map(({ label, colour, dash, width, dots }) => [label, colour, dash, width, dots]),
    ]);
    if (this.plot === null || signature !== this.signature) {
      this.signature = signature;
      this.rebuild();
    } else {
      this.plot.setData(this.#data(), false);
      this.#scale();
    }
  }

  rebuild() {
    if (this.model === null) return;
    this.plot?.destroy();
    this.plot = new /** @type {any} */ (uPlot)(
      this.#settings(this.model),
      /** @type {any} */ (this.#data()),
      this.host,
    );
    this.plot.over.append(this.line);
    this.#listen(this.plot.over);
    this.#scale();
  }

  /** @param {number} x */
  setCursor(x) {
    this.cursor = x;
    this.#placeLine();
  }

  /** @param {[number, number] | null} range of the x axis; null for all of it */
  setZoom(range) {
    this.range = range;
    if (this.plot !== null) this.#scale();
  }

  /** Ranges of both axes, as drawn. */
  ranges() {
    const { x, y } = this.plot.scales;
    return { x: [x.min, x.max], y: [y.min, y.max] };
  }

  #data() {
    const { x, lines, yLog } = /** @type {Model} */ (this.model);
    const values = lines.map((line) =>
      yLog ? Array.from(line.values, (v) => (v !== null && v > 0 ? v : null)) : withGaps(line.values),
    );
    return [x, ...values];
  }

  #scale() {
    const { x } = /** @type {Model} */ (this.model);
    const [min, max] = this.range ?? [x[0], x[x.length - 1]];
    this.plot.batch(() => this.plot.setScale("x", { min, max: max > min ? max : min + 1 }));
    this.#placeLine();
  }

  /** @param {Model} model */
  #settings(model) {
    return /** @type {any} */ ({
      ...this.#size(),
      ...scalesAndAxes(model),
      legend: { show: false },
      padding: [10, 12, 0, 0],
      cursor: {
        x: true,
        y: false,
        drag: { x: this.options.zoom !== undefined, y: false, setScale: false, dist: CLICK_PIXELS },
        points: { size: 6 },
        bind: {
          dblclick: () => () => this.options.zoom?.(null),
          // handle the pointer on the cursor's line, too
          mousemove: (/** @type {any} */ _plot, /** @type {any} */ _target, /** @type {any} */ handle) => handle,
        },
      },
      series: [{}, ...model.lines.map(series)],
      bands: bandsOfPlot(model),
      hooks: {
        setCursor: [() => this.#hover()],
        setSelect: [() => this.#select()],
      },
    });
  }

  #size() {
    return { width: Math.max(120, this.host.clientWidth), height: Math.max(120, this.host.clientHeight) };
  }

  #resize() {
    if (this.plot === null) return;
    this.plot.setSize(this.#size());
    this.#placeLine();
  }

  #placeLine() {
    if (this.plot === null) return;
    const { min, max } = this.plot.scales.x;
    this.line.hidden = !(this.cursor >= min && this.cursor <= max);
    if (!this.line.hidden) this.line.style.transform = `translateX(${this.plot.valToPos(this.cursor, "x")}px)`;
  }

  #select() {
    const { left, width } = this.plot.select;
    if (width < CLICK_PIXELS) return;
    const range = [this.plot.posToVal(left, "x"), this.plot.posToVal(left + width, "x")];
    this.plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.options.zoom?.(/** @type {[number, number]} */ (range));
  }

  #hover() {
    const { idx, event } = this.plot.cursor;
    if (event === undefined || event === null || idx === null || idx === undefined) {
      if (this.host.contains(document.activeElement)) return;
      hideTooltip();
      return;
    }
    this.#showValues(idx, { left: event.clientX, top: event.clientY });
  }

  /**
   * @param {number} idx
   * @param {{ left: number, top: number }} place
   */
  #showValues(idx, place) {
    const { x, lines, xName } = /** @type {Model} */ (this.model);
    const { rows, columns } = readings(lines, idx);
    showTooltip(place, `${xName ?? "t"} = ${number(x[idx], 4)}`, rows, columns);
  }

  /** @param {HTMLElement} over */
  #listen(over) {
    let down = { x: 0, line: false };
    over.addEventListener(
      "pointerdown",
      (event) => {
        down = { x: event.clientX, line: event.target === this.line };
        if (!down.line) return;
        event.stopPropagation();
        this.line.setPointerCapture(event.pointerId);
      },
      true,
    );
    // uPlot listens to the mouse, but dragging the cursor's line must not zoom
    over.addEventListener(
      "mousedown",
      (event) => {
        if (event.target === this.line) event.stopPropagation();
      },
      true,
    );
    over.addEventListener("pointermove", (event) => {
      if (down.line && this.line.hasPointerCapture(event.pointerId)) this.#pick(event.clientX);
    });
    over.addEventListener("pointerup", () => {
      down.line = false;
    });
    over.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - down.x) < CLICK_PIXELS) this.#pick(event.clientX);
    });
    over.addEventListener("mouseleave", hideTooltip);
  }

  /** @param {number} clientX */
  #pick(clientX) {
    const { left, width } = this.plot.over.getBoundingClientRect();
    this.options.pick?.(this.plot.posToVal(Math.max(0, Math.min(clientX - left, width)), "x"));
  }

  /** @param {(by: number) => void} step */
  #listenToKeys(step) {
    this.host.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10 }[event.key];
      if (event.key === "Escape") hideTooltip();
      if (by === undefined) return;
      event.preventDefault();
      step(event.shiftKey ? 10 * by : by);
      this.#showValuesAtCursor();
    });
    this.host.addEventListener("blur", hideTooltip);
  }

  #showValuesAtCursor() {
    const { x } = /** @type {Model} */ (this.model);
    const box = this.plot.over.getBoundingClientRect();
    const idx = nearest(x, this.cursor);
    this.#showValues(idx, { left: box.left + this.plot.valToPos(this.cursor, "x"), top: box.top + 8 });
  }
}

/**
 * The values with null for NaN: uPlot leaves gaps at null, but would join the points around a NaN.
 * @param {ArrayLike<number | null>} values
 */
export function withGaps(values) {
  const all = Array.from(values);
  return all.some(Number.isNaN) ? all.map((value) => (Number.isNaN(value) ? null : value)) : values;
}

/**
 * @param {Float64Array} sorted
 * @param {number} value
 */
export function nearest(sorted, value) {
  let [low, high] = [0, sorted.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle;
    else high = middle;
  }
  return value - sorted[low] <= sorted[high] - value ? low : high;
}
