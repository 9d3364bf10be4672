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
  const isShown = (/** @type {number | null} */ value) =>
    value !== null && Number.isFinite(value) && (!yLog || value > 0);
  return bands
    .flatMap(([upper, lower]) => {
      const [above, below] = [lines[upper].values, lines[lower].values];
      const point = (/** @type {ArrayLike<number | null>} */ values) => (/** @type {number} */ i) =>
        `${across(x[i])} ${up(/** @type {number} */ (values[i]))}`;
      return stretches(x.length, (i) => isShown(above[i]) && isShown(below[i])).map((indices) => {
        const outline = [...indices.map(point(above)), ...indices.reverse().map(point(below))].join("L");
        return `<path d="M${outline}Z" fill="${lines[upper].colour}" fill-opacity="${OPACITY}"/>`;
      });
    })
    .join("");
}

/**
 * The indices below a count, without those that do not count, in unbroken stretches.
 * @param {number} count
 * @param {(index: number) => boolean} counts
 */
function stretches(count, counts) {
  /** @type {number[][]} */
  const found = [];
  for (let i = 0; i < count; i += 1) {
    if (!counts(i)) continue;
    if (i > 0 && counts(i - 1)) found[found.length - 1].push(i);
    else found.push([i]);
  }
  return found;
}

/**
 * A colour with an opacity.
 * @param {string} colour rgb()
 * @param {number} opacity
 */
function faded(colour, opacity) {
  return colour.replace(/^rgb\((.*)\)$/, (_, numbers) => `rgba(${numbers}, ${opacity})`);
}
