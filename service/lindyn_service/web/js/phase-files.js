/** A phase diagram as SVG and as CSV. */

import { token } from "./colours.js";
import { number } from "./format.js";
import { PhaseColours } from "./phase-colours.js";
import { tickIndices } from "./phase-grid.js";
import { svgDocument, textElement } from "./svg.js";

/** @typedef {import("./phase-grid.js").Diagram} Diagram */

const [LEFT, TOP, WIDTH, HEIGHT] = [76, 56, 540, 320];
const BAR = { left: 240, width: 160, height: 10, steps: 32 };
const HATCH = (/** @type {string} */ colour) =>
  `<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
  `<path d="M0 0V6" stroke="${colour}" stroke-width="2"/></pattern>`;
const ABSENT = (/** @type {string} */ colour) =>
  textElement(LEFT, TOP + HEIGHT + 65, "hatched: no value", { size: 11, colour });

/**
 * @param {Diagram} diagram
 * @param {string} about second line
 */
export function phaseAsSvg({ lambdas, scales, values, name }, about) {
  const colours = new PhaseColours(values.flat());
  const [width, height] = [WIDTH / lambdas.length, HEIGHT / scales.length];
  const soft = token("soft");
  const top = (/** @type {number} */ row) => TOP + HEIGHT - (row + 1) * height;
  const cells = values.flatMap((column, i) =>
    column.map((value, j) => {
      const fill = value === null ? "url(#hatch)" : colours.of(value);
      return `<rect x="${(LEFT + i * width).toFixed(2)}" y="${top(j).toFixed(2)}" width="${(width + 0.1).toFixed(2)}" height="${(height + 0.1).toFixed(2)}" fill="${fill}"/>`;
    }),
  );
  const across = tickIndices(lambdas.length, 7).map((i) =>
    textElement(LEFT + (i + 0.5) * width, TOP + HEIGHT + 18, number(lambdas[i], 2), { anchor: "middle", colour: soft }),
  );
  const up = tickIndices(scales.length, 6).map((j) =>
    textElement(LEFT - 8, top(j) + height / 2 + 4, number(scales[j], 2), { anchor: "end", colour: soft }),
  );
  const names = [
    textElement(LEFT + WIDTH / 2, TOP + HEIGHT + 38, "λ", { anchor: "middle", colour: soft }),
    textElement(20, TOP + HEIGHT / 2, "scale", { anchor: "middle", colour: soft, turned: true }),
  ];
  const drawn = `<g shape-rendering="crispEdges">${cells.join("")}</g>`; // without seams between the cells
  const parts = [
    HATCH(soft),
    drawn,
    ...across,
    ...up,
    ...names,
    legend(colours),
    ...(values.flat().includes(null) ? [ABSENT(soft)] : []),
  ];
  return svgDocument(parts, name, about, TOP + HEIGHT + 76);
}

/** @param {PhaseColours} colours */
function legend(colours) {
  if (colours.isEmpty) return "";
  const y = TOP + HEIGHT + 56;
  const { low, high, ramp } = colours;
  const steps = Array.from({ length: BAR.steps }, (_, i) => {
    const fill = ramp[Math.round((i * (ramp.length - 1)) / (BAR.steps - 1))];
    const width = BAR.width / BAR.steps;
    return `<rect x="${BAR.left + i * width}" y="${y}" width="${width + 0.1}" height="${BAR.height}" fill="${fill}"/>`;
  });
  const text = { size: 11, colour: token("soft") };
  return [
    ...steps,
    textElement(BAR.left - 8, y + 9, number(low), { ...text, anchor: "end" }),
    textElement(BAR.left + BAR.width + 8, y + 9, `${number(high)}${colours.isLog ? " (logarithmic)" : ""}`, text),
  ].join("");
}

/**
 * One row for each network, with all digits; the number is missing where there is none.
 * @param {Diagram} diagram
 * @param {string} what name of the number in the API
 */
export function phaseAsCsv({ lambdas, scales, values }, what) {
  const rows = lambdas.flatMap((lambda, i) => scales.map((scale, j) => [lambda, scale, values[i][j] ?? ""].join(",")));
  return `${[`lambda,scale,${what}`, ...rows].join("\n")}\n`;
}
