/** Colours of pictures: those of the style sheet, and two ramps that readers with any colour vision can distinguish. */

/** Viridis without its palest end (light) or darkest end (dark). */
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];

/** Blue to orange through the paper's colour. */
const NEGATIVE = ["#7fb2de", "#2f7fbd", "#0b3c6e"];
const POSITIVE = ["#f3b27a", "#d9722b", "#7a3208"];

/** @type {HTMLElement | null} */
let probe = null;

/**
 * A colour of the style sheet in the current theme.
 * @param {string} name without the dashes
 */
export function token(name) {
  if (probe === null) {
    probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

export function isDark() {
  return luminance(parse(token("paper"))) < 0.5;
}

/**
 * A colour for each mode, the strongest first.
 * @param {number} count
 */
export function ofModes(count) {
  const [from, to] = isDark() ? [0.97, 0.35] : [0.05, 0.8];
  return Array.from({ length: count }, (_, i) => {
    const position = count === 1 ? from : from + ((to - from) * i) / (count - 1);
    return mixed(VIRIDIS, position);
  });
}

/** 256 colours for −1 to 1, as triples. @returns {Uint8ClampedArray} */
export function diverging() {
  const paper = token("cell");
  const dark = isDark();
  const [low, high] = [NEGATIVE, POSITIVE].map((ramp) => [paper, ...(dark ? [...ramp].reverse() : ramp)]);
  const table = new Uint8ClampedArray(3 * 256);
  for (let i = 0; i < 256; i += 1) {
    const position = i / 127.5 - 1;
    table.set(parse(mixed(position < 0 ? low : high, Math.min(1, Math.abs(position)))), 3 * i);
  }
  return table;
}

/**
 * @param {string[]} ramp
 * @param {number} position 0 to 1
 */
function mixed(ramp, position) {
  const scaled = position * (ramp.length - 1);
  const first = Math.min(Math.floor(scaled), ramp.length - 2);
  const [a, b] = [parse(ramp[first]), parse(ramp[first + 1])];
  const fraction = scaled - first;
  return `rgb(${a.map((value, i) => Math.round(value + fraction * (b[i] - value))).join(",")})`;
}

/**
 * @param {string} colour #rrggbb or rgb()
 * @returns {number[]}
 */
function parse(colour) {
  if (colour.startsWith("#")) return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const numbers = (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
  return colour.startsWith("color(") ? numbers.map((value) => 255 * value) : numbers;
}

/** @param {number[]} colour */
function luminance(colour) {
  return (0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]) / 255;
}
