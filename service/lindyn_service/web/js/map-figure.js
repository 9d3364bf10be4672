/** A figure with the heat map of a matrix at the cursor's time, its colour scale and its downloads. */

import { make } from "./dom.js";
import { Figure } from "./figure.js";
import { minus, number } from "./format.js";
import { gradient, HeatMap } from "./heatmap.js";
import { mapAsSvg } from "./svg.js";

/** @typedef {import("./heatmap.js").Shown} Shown */

export class MapFigure {
  /**
   * @param {HTMLElement} host
   * @param {{
   *   id: string, title: string, subtitle: string, slug: () => string, caption: () => string,
   *   block: (row: number, column: number) => string, row: (index: number) => string, column: (index: number) => string,
   * }} options `block`: name of the block of an entry; `caption`: description of the run for saved pictures
   */
  constructor(host, { id, title, subtitle, slug, caption, block, row, column }) {
    this.row = row;
    this.column = column;
    this.time = 0;
    this.figure = new Figure(host, {
      id,
      title,
      subtitle,
      slug: () => `${slug()}-t${number(this.time, 4)}`,
      svg: () => mapAsSvg(this.heatmap, this.figure.heading.textContent ?? "", `${caption()}, ${this.#at()}`),
      csv: () => this.#csv(),
    });
    this.canvas = make("canvas", { class: "map", role: "img", tabindex: "0", "aria-label": title });
    this.heatmap = new HeatMap(this.canvas, (i, j) => ({ title: block(i, j), entry: `${row(i)}, ${column(j)}` }));
    this.low = make("span");
    this.bar = make("i");
    this.high = make("span");
    this.scale = make("div", { class: "scale", "aria-hidden": "true" }, this.low, this.bar, this.high);
    this.absent = make("p", { class: "absent", hidden: "" });
    this.frame = make("div", { class: "map-frame" }, this.canvas);
    this.figure.body.classList.add("has-map");
    this.figure.body.append(this.frame, this.absent);
    this.figure.legend.append(this.scale);
  }

  /**
   * @param {Shown} shown
   * @param {number} time
   */
  show(shown, time) {
    this.time = time;
    this.absent.hidden = true;
    this.frame.hidden = this.scale.hidden = false;
    this.low.textContent = minus(`-${number(shown.largest)}`);
    this.high.textContent = number(shown.largest);
    this.bar.style.backgroundImage = gradient();
    this.heatmap.set(shown);
    const size = shown.rows === shown.columns ? `${shown.rows} rows` : `${shown.rows} × ${shown.columns} entries`;
    this.canvas.setAttribute("aria-label", `Matrix of ${size} at ${this.#at()}: arrow keys read its entries`);
  }

  /** Say why there is no matrix. @param {string} text */
  showNone(text) {
    this.absent.textContent = text;
    this.absent.hidden = false;
    this.frame.hidden = this.scale.hidden = true;
  }

  /** Redraw in the colours of another theme. */
  restyle() {
    this.bar.style.backgroundImage = gradient();
    this.heatmap.draw();
  }

  #at() {
    return `t = ${number(this.time, 4)}`;
  }

  /** The matrix with the time, and the names of rows and columns. */
  #csv() {
    const { shown } = this.heatmap;
    if (shown === null) return "";
    const { values, rows, columns } = shown;
    const names = Array.from({ length: columns }, (_, j) => `"${this.column(j)}"`);
    const lines = Array.from({ length: rows }, (_, i) =>
      [`"${this.row(i)}"`, values.subarray(i * columns, (i + 1) * columns).join(",")].join(","),
    );
    return `${[[`t = ${this.time}`, ...names].join(","), ...lines].join("\n")}\n`;
  }
}
