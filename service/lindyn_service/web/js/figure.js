/** The frame of a picture: title, legend, notes and downloads. */

import { make, save } from "./dom.js";
import { rasterised } from "./svg.js";

const MARK_WIDTH = 26; // three dashes, or five dots, of the patterns of the pictures
const DEFAULT_WIDTH = 1.6; // of lines without a width of their own

export class Figure {
  /**
   * @param {HTMLElement} host
   * @param {{
   *   id: string, title: string, subtitle: string, slug?: () => string, svg: () => string, csv: () => string,
   * }} options `slug`: description of the run for names of files
   */
  constructor(host, { id, title, subtitle, slug, svg, csv }) {
    this.id = id;
    this.svg = svg;
    this.csv = csv;
    this.slug = slug ?? (() => "");
    this.body = make("div", { class: "plot" });
    this.legend = make("div", { class: "legend" });
    this.note = make("div", { class: "notes" });
    this.heading = make("h3", { id: `${id}-title` }, title);
    const caption = make("figcaption", {}, this.heading, make("p", {}, subtitle), this.#menu(title));
    this.element = make(
      "figure",
      { class: "picture", id: `picture-${id}`, "aria-labelledby": `${id}-title` },
      caption,
      this.body,
      this.legend,
      this.note,
    );
    host.append(this.element);
  }

  /** @param {string} suffix */
  #file(suffix) {
    const slug = this.slug();
    return `lindyn-${this.id}${slug === "" ? "" : `-${slug}`}.${suffix}`;
  }

  /** @param {string} title */
  #menu(title) {
    const button = (/** @type {string} */ label, /** @type {() => void} */ act) => {
      const made = make("button", { type: "button", "aria-label": `${title}: save as ${label}` }, label);
      made.addEventListener("click", act);
      return made;
    };
    return make(
      "div",
      { class: "downloads", role: "group", "aria-label": `Save ${title}` },
      button("PNG", async () => save(this.#file("png"), await rasterised(this.svg()), "image/png")),
      button("SVG", () => save(this.#file("svg"), this.svg(), "image/svg+xml")),
      button("CSV", () => save(this.#file("csv"), this.csv(), "text/csv")),
    );
  }

  /**
   * @param {{
   *   label: string, colour: string, kind: "line" | "dots" | "ramp" | "band",
   *   dash?: number[], width?: number, colours?: string[],
   * }[]} entries `dash` and `width` of a line as it is drawn
   */
  setLegend(entries) {
    this.legend.replaceChildren(
      ...entries.map((entry) => make("span", {}, entry.kind === "line" ? lineMark(entry) : mark(entry), entry.label)),
    );
  }

  /** @param {string[]} texts */
  setNotes(texts) {
    this.note.replaceChildren(...texts.map((text) => make("p", {}, text)));
  }
}

/** The legend's entry for a line. @param {import("./lines.js").Line} line */
export function entryOf({ label, colour, dash, width, dots }) {
  return { label, colour, dash, width, kind: /** @type {"dots" | "line"} */ (dots ? "dots" : "line") };
}

/** @param {{ colour: string, kind: string, colours?: string[] }} entry */
function mark({ colour, kind, colours }) {
  const swatch = make("i", { class: kind });
  if (colours === undefined) swatch.style.color = colour;
  else swatch.style.backgroundImage = `linear-gradient(90deg, ${[...colours, colours.at(-1)].join(", ")})`;
  return swatch;
}

/** A piece of a line, dashed as in the picture. @param {{ colour: string, dash?: number[], width?: number }} entry */
function lineMark({ colour, dash, width = DEFAULT_WIDTH }) {
  const [svg, line] = ["svg", "line"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  const [height, middle] = ["9", "4.5"]; // so that thin lines fill a row of pixels in their full colour
  for (const [name, value] of Object.entries({ width: MARK_WIDTH, height, "aria-hidden": "true" }))
    svg.setAttribute(name, String(value));
  for (const [name, value] of Object.entries({ x2: MARK_WIDTH, y1: middle, y2: middle, stroke: colour }))
    line.setAttribute(name, String(value));
  line.setAttribute("stroke-width", String(width));
  if (dash !== undefined) line.setAttribute("stroke-dasharray", dash.join(" "));
  svg.append(line);
  return svg;
}

/**
 * Lines as CSV, with all digits.
 * @param {import("./lines.js").Model} model
 * @param {string} xName
 */
export function asCsv(model, xName) {
  const names = [xName, ...model.lines.map(({ label }) => `"${label}"`)];
  const rows = Array.from(model.x, (x, i) => [x, ...model.lines.map(({ values }) => values[i] ?? "")].join(","));
  return `${[names.join(","), ...rows].join("\n")}\n`;
}
