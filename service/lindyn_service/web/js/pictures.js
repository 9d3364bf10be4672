/** The pictures of one run, with a common time cursor. */

import { ofModes, token } from "./colours.js";
import { make } from "./dom.js";
import { asCsv, Figure } from "./figure.js";
import { minus, number } from "./format.js";
import { gradient, HeatMap } from "./heatmap.js";
import { Lines, nearest } from "./lines.js";
import * as models from "./models.js";
import { linesAsSvg, mapAsSvg } from "./svg.js";

/** @typedef {import("./models.js").Run} Run */

const CURVES = [
  { id: "loss", title: "Loss", subtitle: "logarithmic", model: models.loss },
  {
    id: "singular-values",
    title: "Singular values of W₂W₁",
    subtitle: "of the network, with those of the task",
    model: models.singularValues,
    modes: "task (dashed)",
  },
  { id: "kernel", title: "NTK movement", subtitle: "constant: lazy, moving: rich", model: models.kernel },
  {
    id: "alignment",
    title: "Alignment",
    subtitle: "of singular vectors with those of the task",
    model: models.alignment,
    modes: "input (dotted)",
  },
  { id: "specificity", title: "Task specificity", subtitle: "of the representations", model: models.specificity },
];

export class Pictures {
  /**
   * @param {HTMLElement} host
   * @param {{ pick: (time: number) => void, zoom: (range: [number, number] | null) => void, step: (by: number) => void }} on
   */
  constructor(host, on) {
    /** @type {Run | null} */
    this.run = null;
    this.index = 0;
    this.largest = 1;
    this.curves = CURVES.map((curve) => this.#curve(host, curve, on));
    this.map = this.#map(host);
    const figures = this.curves.map(({ figure }) => figure.element);
    host.insertBefore(this.map.figure.element, figures[2]);
  }

  /**
   * @param {HTMLElement} host
   * @param {typeof CURVES[number]} curve
   * @param {any} on
   */
  #curve(host, curve, on) {
    const figure = new Figure(host, {
      ...curve,
      svg: () => linesAsSvg(lines, curve.title, this.#subtitle()),
      csv: () => asCsv(/** @type {any} */ (lines.model), "t"),
    });
    const { body } = figure;
    for (const [name, value] of Object.entries({
      role: "slider",
      tabindex: "0",
      "aria-label": `${curve.title}: time`,
    })) {
      body.setAttribute(name, value);
    }
    const lines = new Lines(body, { name: curve.title, ...on });
    return { ...curve, figure, lines };
  }

  /** @param {HTMLElement} host */
  #map(host) {
    const [id, title] = ["representation", "Representation QQᵀ"];
    const figure = new Figure(host, {
      id,
      title,
      subtitle: "four blocks of products of the layers",
      svg: () => mapAsSvg(heatmap, title, `${this.#subtitle()}, t = ${number(this.time(), 4)}`),
      csv: () => this.#mapCsv(),
    });
    const canvas = make("canvas", { class: "map", role: "img", tabindex: "0", "aria-label": title });
    const [low, bar, high] = [make("span"), make("i"), make("span")];
    const scale = make("div", { class: "scale", "aria-hidden": "true" }, low, bar, high);
    const blocks = [
      ["W₁ᵀW₁", "input representation"],
      ["(W₂W₁)ᵀ", "its transpose"],
      ["W₂W₁", "network function"],
      ["W₂W₂ᵀ", "output representation"],
    ].map(([symbol, name], i) => make("span", { class: `block block-${i}` }, make("b", {}, symbol), ` ${name}`));
    const absent = make("p", { class: "absent", hidden: "" });
    const frame = make("div", { class: "map-frame" }, ...blocks, canvas);
    figure.body.classList.add("has-map");
    figure.body.append(frame, absent);
    figure.legend.append(scale);
    const heatmap = new HeatMap(canvas);
    return { figure, heatmap, canvas, scale, low, bar, high, frame, absent };
  }

  /** @param {Run} run */
  show(run) {
    this.run = run;
    const times = models.timesOf(run);
    const modes = ofModes(run.answer.arrays.get("singular_values")?.shape[1] ?? 1);
    for (const { lines, figure, model, modes: second } of this.curves) {
      const drawn = model(run);
      lines.draw(drawn);
      figure.setLegend(
        second === undefined ? legendOf(drawn.lines) : legendOfModes(modes, second, run.simulated !== null),
      );
      figure.body.setAttribute("aria-valuemin", String(times[0]));
      figure.body.setAttribute("aria-valuemax", String(times[times.length - 1]));
    }
    this.largest = largestOf(run.answer.arrays.get("qqt")?.values ?? null);
    this.map.bar.style.backgroundImage = gradient();
  }

  /** Redraw everything in the colours of another theme. */
  restyle() {
    if (this.run !== null) this.show(this.run);
  }

  /**
   * Put the cursor at one of the times.
   * @param {number} index
   * @param {boolean} resting whether the cursor is not playing
   */
  setIndex(index, resting) {
    if (this.run === null) return;
    this.index = Math.min(index, models.timesOf(this.run).length - 1);
    const time = this.time();
    for (const { lines, figure } of this.curves) {
      lines.setCursor(time);
      figure.body.setAttribute("aria-valuenow", String(time));
      if (resting) figure.body.setAttribute("aria-valuetext", spoken(/** @type {any} */ (lines.model), time));
    }
    this.#drawMap(this.run);
  }

  /** @param {[number, number] | null} range */
  setZoom(range) {
    for (const { lines } of this.curves) lines.setZoom(range);
  }

  time() {
    return this.run === null ? 0 : models.timesOf(this.run)[this.index];
  }

  /** @param {string} id */
  figure(id) {
    return [...this.curves, { id: "representation", figure: this.map.figure }].find((each) => each.id === id)?.figure;
  }

  /** Show a matrix that was computed for the cursor's time only. @param {Float64Array} values @param {number} size */
  showMatrix(values, size) {
    if (this.run === null) return;
    this.largest = largestOf(values);
    this.#present(values, size, this.run);
  }

  /** @param {string} text */
  showNoMatrix(text) {
    this.map.absent.textContent = text;
    this.map.absent.hidden = false;
    this.map.frame.hidden = this.map.scale.hidden = true;
  }

  /** @param {Run} run */
  #drawMap(run) {
    const all = run.answer.arrays.get("qqt");
    if (all === undefined || all.values === null) return;
    const size = all.shape[1];
    this.#present(all.values.subarray(this.index * size * size, (this.index + 1) * size * size), size, run);
  }

  /**
   * @param {Float64Array} values
   * @param {number} size
   * @param {Run} run
   */
  #present(values, size, run) {
    const [into] = run.answer.meta.dims;
    this.map.absent.hidden = true;
    this.map.frame.hidden = this.map.scale.hidden = false;
    this.map.frame.style.setProperty("--into", `${(100 * into) / size}%`);
    this.map.low.textContent = minus(`-${number(this.largest)}`);
    this.map.high.textContent = number(this.largest);
    this.map.heatmap.set(values, into, size, this.largest);
    this.map.canvas.setAttribute(
      "aria-label",
      `Matrix of ${size} rows at t = ${number(this.time(), 4)}: arrow keys read its entries`,
    );
  }

  #mapCsv() {
    const { values, size } = this.map.heatmap;
    if (values === null) return "";
    const rows = Array.from({ length: size }, (_, i) => values.subarray(i * size, (i + 1) * size).join(","));
    return `${rows.join("\n")}\n`;
  }

  #subtitle() {
    const meta = this.run?.answer.meta;
    const lambda = meta?.lambda === null || meta?.lambda === undefined ? "" : `, λ = ${number(meta.lambda, 6)}`;
    return `${meta?.dims.join("-")}${lambda}, ${meta?.method}, lindyn ${meta?.version}`;
  }
}

/** @param {import("./lines.js").Line[]} lines */
function legendOf(lines) {
  return lines.map(({ label, colour, dash, dots }) => {
    const kind = /** @type {"dots" | "dash" | "line"} */ (dots ? "dots" : dash ? "dash" : "line");
    return { label, colour, kind };
  });
}

/**
 * @param {string[]} colours
 * @param {string} second
 * @param {boolean} simulated
 */
function legendOfModes(colours, second, simulated) {
  const many = colours.length > 1 ? `modes 1 to ${colours.length}` : "mode 1";
  const entries = [
    { label: many, colour: "", kind: /** @type {const} */ ("ramp"), colours },
    { label: second, colour: token("soft"), kind: /** @type {const} */ ("dash") },
  ];
  return simulated && second.startsWith("task")
    ? [...entries, { label: "simulated", colour: token("ink"), kind: /** @type {const} */ ("dots") }]
    : entries;
}

/** @param {Float64Array | null} values */
function largestOf(values) {
  let largest = 0;
  for (const value of values ?? []) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/**
 * The values of a picture at a time, for screen readers.
 * @param {import("./lines.js").Model} model
 * @param {number} time
 */
export function spoken(model, time) {
  const at = nearest(model.x, time);
  const values = model.lines.slice(0, 8).map(({ label, values: each }) => `${label} ${number(each[at], 3)}`);
  return `t = ${number(time, 4)}: ${values.join(", ")}`;
}
