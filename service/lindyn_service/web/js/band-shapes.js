/** Bands between two curves of a picture, on the screen and in SVG files. */

/** @typedef {import("./lines.js").Model} Model */

const OPACITY = 0.2;

/**
 * Bands in the form of uPlot.
 * @param {Model} model
 */
export function bandsOfPlot({ lines, bands = [] }) {
  return bands.map(([upper, lower]) => ({
    series: [upper + 1, lower + 1], // the first series is the axis
    fill: faded(lines[upper].colour, OPACITY),
  }));
}

/**
 * @param {Model} model
 * @param {(value: number) => number} across position of a value on the x axis
 * @param {(value: number) => number} up position of a value on the y axis
 */
export function bandsAsSvg({ x, lines, bands = [], yLog }, across, up) {
  return bands
    .map(([upper, lower]) => {
      const points = (/** @type {number} */ line) =>
        Array.from(x, (each, i) => [each, lines[line].values[i]]).filter(
          ([, value]) => value !== null && Number.isFinite(value) && (!yLog || Number(value) > 0),
        );
      const outline = [...points(upper), ...points(lower).reverse()];
      const path = outline.map(([each, value]) => `${across(Number(each))} ${up(Number(value))}`).join("L");
      return path === "" ? "" : `<path d="M${path}Z" fill="${lines[upper].colour}" fill-opacity="${OPACITY}"/>`;
    })
    .join("");
}

/**
 * A colour with an opacity.
 * @param {string} colour rgb()
 * @param {number} opacity
 */
function faded(colour, opacity) {
  return colour.replace(/^rgb\((.*)\)$/, (_, numbers) => `rgba(${numbers}, ${opacity})`);
}
