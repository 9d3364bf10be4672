/** Pictures as SVG files, with title, axes and legend. */

import { bandsAsSvg } from "./band-shapes.js";
import { level, palette } from "./heatmap.js";
import { token } from "./colours.js";
import { number, power } from "./format.js";
import { SCALES } from "./scales.js";
import { ticks } from "./ticks.js";

const [WIDTH, HEIGHT] = [640, 420];
const BOX = { left: 64, right: 620, top: 48, bottom: 340 };

/** @param {unknown} value */
function escaped(value) {
  return String(value).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} text
 * @param {{ size?: number, anchor?: string, colour?: string, bold?: boolean, turned?: boolean }} [style]
 */
export function textElement(
  x,
  y,
  text,
  { size = 12, anchor = "start", colour = token("ink"), bold = false, turned = false } = {},
) {
  const turn = turned ? ` transform="rotate(-90 ${x} ${y})"` : "";
  const weight = bold ? ' font-weight="600"' : "";
  return `<text x="${x}" y="${y}" font-size="${size}" text-anchor="${anchor}" fill="${colour}"${weight}${turn}>${escaped(text)}</text>`;
}

/**
 * @param {string[]} parts
 * @param {string} title
 * @param {string} subtitle
 * @param {number} height
 */
export function svgDocument(parts, title, subtitle, height) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
    `font-family="system-ui, -apple-system, Segoe UI, Roboto, sans-serif">` +
    `<rect width="100%" height="100%" fill="${token("paper")}"/>` +
    textElement(16, 24, title, { size: 15, bold: true }) +
    textElement(16, 40, subtitle, { size: 11, colour: token("soft") }) +
    `${parts.join("")}</svg>`
  );
}

/**
 * @param {import("./lines.js").Lines} drawn
 * @param {string} title
 * @param {string} subtitle
 */
export function linesAsSvg(drawn, title, subtitle) {
  const model = /** @type {import("./lines.js").Model} */ (drawn.model);
  const { x, y } = drawn.ranges();
  const xScale = model.xScale ?? "linear";
  const yScale = model.yLog ? "log" : "linear";
  const across = scaleTo(x, xScale, BOX.left, BOX.right);
  const up = scaleTo(y, yScale, BOX.bottom, BOX.top);
  const parts = [
    `<clipPath id="box"><rect x="${BOX.left}" y="${BOX.top}" width="${BOX.right - BOX.left}" height="${BOX.bottom - BOX.top}"/></clipPath>`,
  ];
  const soft = token("soft");
  for (const tick of ticks(y[0], y[1], yScale, 5)) {
    parts.push(`<path d="M${BOX.left} ${up(tick)}H${BOX.right}" stroke="${token("hairline")}"/>`);
    parts.push(
      textElement(BOX.left - 8, up(tick) + 4, model.yLog ? power(tick) : number(tick, 4), {
        anchor: "end",
        colour: soft,
      }),
    );
  }
  for (const tick of ticks(x[0], x[1], xScale, 7)) {
    parts.push(
      textElement(across(tick), BOX.bottom + 18, xScale === "log" ? power(tick) : number(tick, 4), {
        anchor: "middle",
        colour: soft,
      }),
    );
  }
  parts.push(
    textElement((BOX.left + BOX.right) / 2, BOX.bottom + 38, model.xLabel, { anchor: "middle", colour: soft }),
  );
  parts.push(
    textElement(20, (BOX.top + BOX.bottom) / 2, model.yLabel, { anchor: "middle", colour: soft, turned: true }),
  );
  parts.push(
    `<g clip-path="url(#box)" fill="none">${bandsAsSvg(model, across, up)}${model.lines.map((line) => curve(line, model, across, up)).join("")}</g>`,
  );
  const { text, height } = legend(model.lines);
  parts.push(text);
  return svgDocument(parts, title, subtitle, height);
}

/**
 * @param {number[]} range
 * @param {import("./scales.js").Scale} scale
 * @param {number} from
 * @param {number} to
 */
function scaleTo([low, high], scale, from, to) {
  const { forward } = SCALES[scale];
  const [first, last] = [forward(low), forward(high)];
  return (/** @type {number} */ value) =>
    Number((from + ((forward(value) - first) / (last - first)) * (to - from)).toFixed(2));
}

/**
 * @param {import("./lines.js").Line} line
 * @param {import("./lines.js").Model} model
 * @param {(value: number) => number} across
 * @param {(value: number) => number} up
 */
function curve(line, model, across, up) {
  const shown = (/** @type {number | null} */ value) =>
    value !== null && Number.isFinite(value) && (!model.yLog || value > 0);
  if (line.dots) {
    const every = line.dots === "all" ? 1 : Math.max(1, Math.round(model.x.length / 32));
    return Array.from(line.values, (value, i) =>
      i % every === 0 && shown(value)
        ? `<circle cx="${across(model.x[i])}" cy="${up(/** @type {number} */ (value))}" r="2.2" fill="${line.colour}"/>`
        : "",
    ).join("");
  }
  let path = "";
  for (let i = 0; i < model.x.length; i += 1) {
    const value = line.values[i];
    if (shown(value))
      path += `${path === "" || !shown(line.values[i - 1] ?? null) ? "M" : "L"}${across(model.x[i])} ${up(/** @type {number} */ (value))}`;
  }
  const dash = line.dash === undefined ? "" : ` stroke-dasharray="${line.dash.join(" ")}"`;
  return `<path d="${path}" stroke="${line.colour}" stroke-width="${line.width ?? 1.6}"${dash}/>`;
}

/** @param {import("./lines.js").Line[]} lines */
function legend(lines) {
  let [x, y, text] = [BOX.left, BOX.bottom + 64, ""];
  for (const { label, colour, dash, width = 1.6, dots } of lines) {
    const length = 42 + 7 * label.length;
    if (x + length > BOX.right) [x, y] = [BOX.left, y + 18];
    const dashes = dash === undefined ? "" : ` stroke-dasharray="${dash.join(" ")}"`;
    text += dots
      ? `<circle cx="${x + 13}" cy="${y - 4}" r="2.2" fill="${colour}"/>`
      : `<path d="M${x} ${y - 4}h26" stroke="${colour}" stroke-width="${width}"${dashes}/>`;
    text += textElement(x + 32, y, label, { size: 11 });
    x += length;
  }
  return { text, height: Math.max(HEIGHT, y + 16) };
}

/**
 * @param {import("./heatmap.js").HeatMap} map
 * @param {string} title
 * @param {string} subtitle
 */
export function mapAsSvg(map, title, subtitle) {
  const [left, top, side] = [120, 80, 400];
  const { values, rows, columns, largest, cut } = /** @type {import("./heatmap.js").Shown} */ (map.shown);
  const [down, across] = [place(side, rows, cut[0]), place(side, columns, cut[1])];
  const table = palette();
  const parts = [];
  for (let i = 0; i < values.length; i += 1) {
    const [row, column, colour] = [Math.floor(i / columns), i % columns, 3 * level(values[i], largest)];
    parts.push(
      `<rect x="${(left + across.start(column)).toFixed(2)}" y="${(top + down.start(row)).toFixed(2)}" width="${(across.cell + 0.1).toFixed(2)}" height="${(down.cell + 0.1).toFixed(2)}" ` +
        `fill="rgb(${table[colour]},${table[colour + 1]},${table[colour + 2]})"/>`,
    );
  }
  const corners = /** @type {[number, number, string, number, number][]} */ ([
    [left, top - 8, "start", 0, 0],
    [left + side, top - 8, "end", 0, columns - 1],
    [left, top + side + 18, "start", rows - 1, 0],
    [left + side, top + side + 18, "end", rows - 1, columns - 1],
  ]);
  for (const [x, y, anchor, row, column] of cut[0] > 0 ? corners : [])
    parts.push(textElement(x, y, map.names(row, column).title, { size: 11, anchor }));
  const scale = `colours from −${number(largest)} (blue) to ${number(largest)} (orange)`;
  parts.push(textElement(left, top + side + 40, scale, { size: 11, colour: token("soft") }));
  return svgDocument(parts, title, subtitle, top + side + 56);
}

/**
 * Size and start of the cells along one side.
 * @param {number} side
 * @param {number} count
 * @param {number} cut cells before the gap, 0 without one
 */
function place(side, count, cut) {
  const gap = cut === 0 ? 0 : 4;
  const cell = (side - gap) / count;
  return { cell, start: (/** @type {number} */ i) => i * cell + (i >= cut ? gap : 0) };
}

/**
 * A picture in pixels, at twice its nominal resolution.
 * @param {string} svg
 * @returns {Promise<Blob>}
 */
export async function rasterised(svg) {
  const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
    /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).drawImage(
      image,
      0,
      0,
      canvas.width,
      canvas.height,
    );
    return await new Promise((done) => canvas.toBlob((blob) => done(/** @type {Blob} */ (blob)), "image/png"));
  } finally {
    URL.revokeObjectURL(url);
  }
}
