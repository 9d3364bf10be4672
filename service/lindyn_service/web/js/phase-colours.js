/** Colours of the numbers of a phase diagram, on a linear or a logarithmic scale. */

import { isDark, ofModes } from "./colours.js";

const COUNT = 128;
const LOG_RATIO = 30; // of the largest to the smallest number, from which colours are logarithmic

export class PhaseColours {
  /** @param {(number | null)[]} values */
  constructor(values) {
    const known = values.filter((value) => value !== null);
    this.low = known.reduce((least, value) => Math.min(least, value), Infinity);
    this.high = known.reduce((most, value) => Math.max(most, value), -Infinity);
    this.isLog = this.low > 0 && this.high / this.low > LOG_RATIO;
    const ramp = ofModes(COUNT); // of modes, the strongest first
    this.ramp = isDark() ? ramp.reverse() : ramp; // the largest number is the brightest in both themes
  }

  /** Whether there is any number. */
  get isEmpty() {
    return this.high < this.low;
  }

  /** @param {number} value */
  of(value) {
    const scale = this.isLog ? Math.log : (/** @type {number} */ each) => each;
    const [low, high] = [scale(this.low), scale(this.high)];
    const position = high > low ? (scale(value) - low) / (high - low) : 0;
    return this.ramp[Math.round(position * (COUNT - 1))];
  }

  /** The colours as a CSS background, from the smallest to the largest number. */
  gradient() {
    const stops = Array.from({ length: 9 }, (_, i) => this.ramp[Math.round((i * (COUNT - 1)) / 8)]);
    return `linear-gradient(90deg, ${stops.join(", ")})`;
  }
}
