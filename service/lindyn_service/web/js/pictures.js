/** The pictures of one run, with a common time cursor. */

import { ofModes, token } from "./colours.js";
import { make } from "./dom.js";
import { asCsv, entryOf, Figure } from "./figure.js";
import { number } from "./format.js";
import { Lines, nearest } from "./lines.js";
import { MapFigure } from "./map-figure.js";
import * as models from "./models.js";
import { Representation } from "./representation.js";
import { linesAsSvg } from "./svg.js";
import { inputName, outputName } from "./unit-names.js";

/** @typedef {import("./models.js").Run} Run */
/** @typedef {import("./matrices.js").MatrixAt} MatrixAt */
/**
 * `modes`: legend of the second kind of lines, if there is one line for each mode; `quantity`: of the panel with
 * further pictures.
 * @typedef {{
 *   id: string, title: string, subtitle: string, model: (run: Run) => import("./lines.js").Model,
 *   modes?: string, quantity?: string,
 * }} Curve
 */

/** @type {Curve[]} */
const CURVES = [
  { id: "loss", title: "Loss", subtitle: "logarithmic", model: models.loss },
  {
    id: "singular-values",
    title: "Singular values",
    subtitle: "of the network function, with those of the task",
    model: models.singularValues,
    modes: "task (dashed)",
  },
  { id: "kernel", title: "Tangent kernel", subtitle: "constant: lazy, moving: rich", model: models.kernel },
  {
    id: "alignment",
    title: "Alignment",
    subtitle: "of singular vectors with those of the task",
    model: models.alignment,
    modes: "input (dotted)",
  },
  { id: "specificity", title: "Task specificity", subtitle: "of the representations", model: models.specificity },
];

/** @type {Curve[]} */
const FURTHER = [
  {
    id: "movement",
    title: "NTK movement",
    subtitle: "up to 0.1: lazy, from 1 on: rich",
    model: models.single("ntk_movement", "NTK movement"),
    quantity: "ntk_movement",
  },
  {
    id: "rank",
    title: "Effective rank",
    subtitle: "how many modes the network function has",
    model: models.single("effective_rank", "effective rank"),
    quantity: "effective_rank",
  },
  {
    id: "sharpness",
    title: "Sharpness",
    subtitle: "largest eigenvalue of the Hessian of the loss",
    model: models.single("sharpness", "sharpness"),
    quantity: "sharpness",
  },
];

export class Pictures {
  /**
   * @param {HTMLElement} host
   * @param {HTMLElement} further place of the further pictures
   * @param {{ pick: (time: number) => void, zoom: (range: [number, number] | null) => void, step: (by: number) => void }} on
   */
  constructor(host, further, on) {
    /** @type {Run | null} */
    this.run = null;
    this.index = 0;
    this.further = further;
    const of = { slug: () => this.#slug(), caption: () => this.#caption(), state: () => this.run?.state ?? null };
    this.of = of;
    this.curves = [
      ...CURVES.map((curve) => this.#curve(host, curve, on)),
      ...FURTHER.map((curve) => this.#curve(further, curve, on)),
    ];
    this.representation = new Representation(host, of);
    host.insertBefore(this.representation.map.figure.element, this.curves[2].figure.element);
    /** @type {MapFigure[]} */
    this.layers = [];
  }

  /**
   * @param {HTMLElement} host
   * @param {Curve} curve
   * @param {any} on
   */
  #curve(host, curve, on) {
    const figure = new Figure(host, {
      ...curve,
      slug: this.of.slug,
      svg: () => linesAsSvg(lines, figure.heading.textContent ?? "", this.#caption()),
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

  /** @param {Run} run */
  show(run) {
    this.run = run;
    const times = models.timesOf(run);
    for (const { lines, figure, model, modes, quantity } of this.curves) {
      if (quantity !== undefined && !run.answer.arrays.has(quantity)) continue;
      const drawn = model(run);
      lines.draw(drawn);
      figure.setLegend(modes === undefined ? legendOf(drawn.lines, run) : legendOfModes(drawn.lines, run, modes));
      figure.body.setAttribute("aria-valuemin", String(times[0]));
      figure.body.setAttribute("aria-valuemax", String(times[times.length - 1]));
    }
    const product = nameOfProduct(run.answer.meta.dims.length - 1);
    const heading = /** @type {Figure} */ (this.figure("singular-values")).heading;
    heading.replaceChildren("Singular values of ", make("span", { class: "unbroken" }, product));
  }

  /** Redraw everything in the colours of another theme. */
  restyle() {
    if (this.run !== null) this.show(this.run);
    for (const map of [this.representation.map, ...this.layers]) map.restyle();
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
      if (lines.model === null) continue;
      lines.setCursor(time);
      figure.body.setAttribute("aria-valuenow", String(time));
      if (resting) figure.body.setAttribute("aria-valuetext", spoken(lines.model, time));
    }
    const sharpness = models.series(this.run.answer, "sharpness");
    if (resting && sharpness.length > 0) this.figure("sharpness")?.setNotes(stableRates(sharpness, this.index));
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
    const { figure } = this.representation.map;
    return [...this.curves, { id: "representation", figure }].find((each) => each.id === id)?.figure;
  }

  /** @param {string[]} except ids of pictures that keep theirs @param {Map<string, string[]>} notes by id */
  setNotes(notes, except = ["sharpness"]) {
    for (const { id, figure } of this.curves) if (!except.includes(id)) figure.setNotes(notes.get(id) ?? []);
  }

  /** Show the matrices at a time. @param {Map<string, MatrixAt>} matrices by the names in answers @param {number} time */
  showMatrices(matrices, time) {
    if (this.run === null) return;
    const { dims } = this.run.answer.meta;
    const whole = matrices.get("qqt");
    if (whole !== undefined) this.representation.show(whole, dims[0], time);
    const layers = [...matrices].filter(([name]) => name.startsWith("weights."));
    if (layers.length === 0) return;
    while (this.layers.length > layers.length) this.layers.pop()?.figure.element.remove();
    while (this.layers.length < layers.length) this.layers.push(this.#layer(this.layers.length));
    layers.forEach(([, matrix], i) => this.layers[i].show({ ...matrix, cut: [0, 0] }, time));
  }

  /** @param {number} index */
  #layer(index) {
    const symbol = `W${subscript(index + 1)}`;
    const last = () => index === (this.run?.answer.meta.dims.length ?? 0) - 2;
    return new MapFigure(this.further, {
      id: `weights-${index + 1}`,
      title: `Weights ${symbol}`,
      subtitle: "rows: outputs of the layer; columns: its inputs",
      ...this.of,
      block: () => `Weights ${symbol}`,
      row: (i) => (last() ? outputName(this.of.state(), i) : `hidden ${i + 1}`),
      column: (i) => (index === 0 ? inputName(this.of.state(), i) : `hidden ${i + 1}`),
    });
  }

  /** Name of the run for files. */
  #slug() {
    const meta = this.run?.answer.meta;
    if (meta === undefined) return "";
    const lambda = typeof meta.lambda === "number" ? `-lambda${Number(meta.lambda.toPrecision(6))}` : "";
    return `${meta.dims.join("-")}${lambda}-${meta.key.slice(0, 8)}`;
  }

  #caption() {
    const meta = this.run?.answer.meta;
    const lambda = meta?.lambda === null || meta?.lambda === undefined ? "" : `, λ = ${number(meta.lambda, 6)}`;
    const pinned = (this.run?.pinned ?? []).map(({ label }) => `, ${label}`).join("");
    return `${meta?.dims.join("-")}${lambda}${pinned}, ${meta?.method}, lindyn ${meta?.version}`;
  }
}

/**
 * One entry for each line; the two lines of a pinned kernel share one.
 * @param {import("./lines.js").Line[]} lines
 * @param {Run} run
 */
function legendOf(lines, { pinned }) {
  const isPinned = (/** @type {import("./lines.js").Line} */ { column = "" }) =>
    pinned.some(({ letter }) => letter === column);
  const own = lines.filter((line) => !isPinned(line)).map(entryOf);
  const pins = lines.some(isPinned)
    ? pinned.map(({ label, colour }) => ({
        label: `${label} (norm dashed)`,
        colour,
        kind: /** @type {const} */ ("line"),
      }))
    : [];
  return [...own, ...pins];
}

/**
 * @param {import("./lines.js").Line[]} lines
 * @param {Run} run
 * @param {string} second
 */
function legendOfModes(lines, { answer, simulated, pinned }, second) {
  const colours = ofModes(answer.arrays.get("singular_values")?.shape[1] ?? 1);
  const many = colours.length > 1 ? `modes 1 to ${colours.length}` : "mode 1";
  const entries = [
    { label: many, colour: "", kind: /** @type {const} */ ("ramp"), colours },
    entryOf({ .../** @type {any} */ (lines.find(({ dash }) => dash)), label: second, colour: token("soft") }),
  ];
  if (!second.startsWith("task")) return entries;
  const pins = pinned.map(({ label, colour }) => ({ label, colour, kind: /** @type {const} */ ("line") }));
  const dots = { label: "simulated", colour: token("ink"), kind: /** @type {const} */ ("dots") };
  return [...entries, ...pins, ...(simulated === null ? [] : [dots])];
}

/** The product of all layers, last layer first. @param {number} layers */
function nameOfProduct(layers) {
  if (layers > 3) return `W${subscript(layers)}…W₁`;
  return Array.from({ length: layers }, (_, i) => `W${subscript(layers - i)}`).join("");
}

/** @param {number} value */
function subscript(value) {
  return [...String(value)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)]).join("");
}

/** @param {Float64Array} sharpness @param {number} index */
function stableRates(sharpness, index) {
  const rate = (/** @type {number} */ value) => (value > 0 ? number(2 / value) : "any size");
  const largest = sharpness.reduce((most, value) => Math.max(most, value), 0);
  return [
    `Gradient descent is stable here with learning rates up to 2 / sharpness = ${rate(sharpness[index])}, along the whole run with rates up to ${rate(largest)}.`,
  ];
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
