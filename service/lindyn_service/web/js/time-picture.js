/** A picture of curves over time in a panel, with the time cursor of the page. */

import { asCsv, Figure } from "./figure.js";
import { Lines } from "./lines.js";
import { spoken } from "./pictures.js";
import { linesAsSvg } from "./svg.js";

/** @typedef {import("./lines.js").Model} Model */
/** @typedef {{ pick: (time: number) => void, step: (by: number) => void }} CursorHandlers */

export class TimePicture {
  /**
   * @param {HTMLElement} host
   * @param {{ id: string, title: string, subtitle: string, about: () => string }} options
   *   `about` is the second line of saved pictures
   * @param {CursorHandlers} on
   */
  constructor(host, { id, title, subtitle, about }, on) {
    this.figure = new Figure(host, {
      id,
      title,
      subtitle,
      svg: () => linesAsSvg(this.lines, title, about()),
      csv: () => asCsv(/** @type {Model} */ (this.lines.model), "t"),
    });
    this.figure.element.hidden = true;
    const { body } = this.figure;
    for (const [name, value] of Object.entries({ role: "slider", tabindex: "0", "aria-label": `${title}: time` }))
      body.setAttribute(name, value);
    /** @type {Lines} */
    this.lines = new Lines(body, { name: title, ...on, zoom: (range) => this.lines.setZoom(range) });
    this.time = 0;
  }

  /**
   * @param {Model} model
   * @param {Parameters<Figure["setLegend"]>[0]} legend
   */
  draw(model, legend) {
    const [first, last] = [model.x[0], model.x[model.x.length - 1]];
    const before = this.lines.model?.x;
    this.figure.element.hidden = false;
    this.figure.setLegend(legend);
    if (before === undefined || before[0] !== first || before[before.length - 1] !== last) this.lines.range = null;
    this.lines.draw(model);
    this.figure.body.setAttribute("aria-valuemin", String(first));
    this.figure.body.setAttribute("aria-valuemax", String(last));
    this.setTime(this.time);
  }

  hide() {
    this.figure.element.hidden = true;
  }

  /** Dim the picture while it does not belong to what the page shows. @param {boolean} isStale */
  setStale(isStale) {
    this.figure.element.classList.toggle("stale", isStale);
    this.figure.element.setAttribute("aria-busy", String(isStale));
  }

  /** @param {number} time */
  setTime(time) {
    this.time = time;
    const { model } = this.lines;
    if (model === null) return;
    this.lines.setCursor(time);
    this.figure.body.setAttribute("aria-valuenow", String(time));
    this.figure.body.setAttribute("aria-valuetext", spoken(model, time));
  }
}
