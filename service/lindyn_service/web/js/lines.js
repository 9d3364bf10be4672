/**
 * A picture of lines over one axis, drawn by uPlot: hover, zoom, and a cursor that can be dragged.
 * @typedef {{
 *   label: string, values: ArrayLike<number | null>, colour: string, dash?: number[], width?: number, dots?: boolean,
 * }} Line
 * @typedef {{
 *   x: Float64Array, xLabel: string, xLog?: boolean, xName?: string,
 *   lines: Line[], yLabel: string, yLog?: boolean, yRange?: [number, number],
 *   marks?: { x: number, label: string }[],
 * }} Model
 */

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { token } from "./colours.js";
import { make } from "./dom.js";
import { number, power } from "./format.js";
import { ticks } from "./ticks.js";
import { hideTooltip, showTooltip } from "./tooltip.js";

const FONT = "11px system-ui, sans-serif";
const DEEPEST = 1e-10; // of the largest value: a log axis goes no deeper
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
   * }} options what a click, a drag over a range, and arrow keys do
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
      model.xLog, model.yLog, model.xLabel, model.yLabel,
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
    this.plot = new /** @type {any} */ (uPlot)(this.#settings(this.model), /** @type {any} */ (this.#data()), this.host);
    this.plot.over.append(this.line);
    this.#listen(this.plot.over);
    this.#scale();
  }

  /** @param {number} x */
  setCursor(x) {
    this.cursor = x;
    this.#placeLine();
  }

  /** @param {[number, number] | null} range of the x axis; all of it without */
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
    const values = lines.map((line) => (yLog ? Array.from(line.values, (v) => (v !== null && v > 0 ? v : null)) : line.values));
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
    const axis = { font: FONT, labelFont: FONT, stroke: token("soft"), labelSize: 16, labelGap: 0, ticks: { show: false }, filter: (/** @type {any} */ _plot, /** @type {number[]} */ splits) => splits };
    const grid = { stroke: token("hairline"), width: 1 };
    const labels = (/** @type {boolean | undefined} */ log) => (/** @type {any} */ _plot, /** @type {number[]} */ splits) =>
      splits.map((value) => (log ? power(value) : number(value, 4)));
    const { width, height } = this.#size();
    return /** @type {any} */ ({
      width,
      height,
      legend: { show: false },
      padding: [10, 12, 0, 0],
      cursor: {
        x: true, y: false, drag: { x: this.options.zoom !== undefined, y: false, setScale: false, dist: CLICK_PIXELS },
        points: { size: 6 },
        bind: {
          dblclick: () => () => this.options.zoom?.(null),
          // also where the cursor's line is above the plot
          mousemove: (/** @type {any} */ _plot, /** @type {any} */ _target, /** @type {any} */ handle) => handle,
        },
      },
      scales: {
        x: { time: false, distr: model.xLog ? 3 : 1, auto: false },
        y: { distr: model.yLog ? 3 : 1, range: (/** @type {any} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => this.#yRange(low, high) },
      },
      axes: [
        { ...axis, grid: { show: false }, label: model.xLabel, size: 24, values: labels(model.xLog),
          splits: (/** @type {any} */ _plot, /** @type {number} */ _i, /** @type {number} */ low, /** @type {number} */ high) => ticks(low, high, model.xLog === true, 6) },
        { ...axis, grid, size: 44, values: labels(model.yLog),
          splits: (/** @type {any} */ _plot, /** @type {number} */ _i, /** @type {number} */ low, /** @type {number} */ high) => ticks(low, high, model.yLog === true, 5) },
      ],
      series: [{}, ...model.lines.map(series)],
      hooks: {
        setCursor: [() => this.#hover()],
        setSelect: [() => this.#select()],
      },
    });
  }

  #yRange(/** @type {number | null} */ low, /** @type {number | null} */ high) {
    const { yLog, yRange } = /** @type {Model} */ (this.model);
    if (yRange !== undefined) return yRange;
    if (low === null || high === null) return yLog ? [0.1, 1] : [0, 1];
    if (yLog) {
      const floor = Math.max(low, high * DEEPEST);
      const [first, last] = [Math.floor(Math.log10(floor)), Math.ceil(Math.log10(high) + 1e-9)];
      return [10 ** first, 10 ** Math.max(last, first + 1)];
    }
    const [bottom, top] = [Math.min(0, low), Math.max(0, high)];
    const room = 0.04 * (top - bottom || 1);
    return [bottom < 0 ? bottom - room : 0, top + room];
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
    this.#tell(idx, { left: event.clientX, top: event.clientY });
  }

  /**
   * @param {number} idx
   * @param {{ left: number, top: number }} place
   */
  #tell(idx, place) {
    const { x, lines, xName } = /** @type {Model} */ (this.model);
    const rows = lines
      .map(({ label, colour, values }) => ({ label, colour, value: number(/** @type {number} */ (values[idx]), 4) }))
      .filter((row) => row.value !== "–");
    showTooltip(place, `${xName ?? "t"} = ${number(x[idx], 4)}`, rows);
  }

  /** @param {HTMLElement} over */
  #listen(over) {
    let down = { x: 0, line: false };
    over.addEventListener("pointerdown", (event) => {
      down = { x: event.clientX, line: event.target === this.line };
      if (!down.line) return;
      event.stopPropagation();
      this.line.setPointerCapture(event.pointerId);
    }, true);
    // uPlot listens to the mouse: a drag of the cursor's line is no zoom
    over.addEventListener("mousedown", (event) => { if (event.target === this.line) event.stopPropagation(); }, true);
    over.addEventListener("pointermove", (event) => {
      if (down.line && this.line.hasPointerCapture(event.pointerId)) this.#pick(event.clientX);
    });
    over.addEventListener("pointerup", () => { down.line = false; });
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
      this.#tellAtCursor();
    });
    this.host.addEventListener("blur", hideTooltip);
  }

  #tellAtCursor() {
    const { x } = /** @type {Model} */ (this.model);
    const box = this.plot.over.getBoundingClientRect();
    const idx = nearest(x, this.cursor);
    this.#tell(idx, { left: box.left + this.plot.valToPos(this.cursor, "x"), top: box.top + 8 });
  }
}

/** @param {Line} line */
function series({ label, colour, dash, width, dots }) {
  if (!dots) return { label, stroke: colour, dash, width: width ?? 1.6, points: { show: false } };
  const some = (/** @type {any} */ plot) => {
    const every = Math.max(1, Math.round(plot.data[0].length / 32));
    return plot.data[0].map((/** @type {number} */ _, /** @type {number} */ i) => i).filter((/** @type {number} */ i) => i % every === 0);
  };
  const points = { show: true, size: 4.5, stroke: colour, fill: colour, width: 0, filter: some };
  return { label, stroke: colour, paths: () => null, points };
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
