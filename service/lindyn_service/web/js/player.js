/** The time cursor: an index into the times, moved by the slider or by playing. */

import { byId } from "./dom.js";
import { number } from "./format.js";
import { nearest } from "./lines.js";

const PLAY_MS = 7_000;
const ZOOM_FACTOR = 0.5;

export class Player {
  /**
   * @param {{ moved: (index: number, resting: boolean) => void, zoomed: (range: [number, number] | null) => void }} on
   */
  constructor(on) {
    this.on = on;
    /** @type {Float64Array} */
    this.times = new Float64Array([0, 1]);
    this.index = 0;
    this.playing = 0;
    this.log = false;
    /** @type {[number, number] | null} */
    this.range = null;
    this.slider = byId("time");
    this.button = byId("play");
    this.output = byId("time-value");
    this.slider.addEventListener("input", () => this.#to(Number(this.slider.value), true));
    this.button.addEventListener("click", () => (this.playing === 0 ? this.play() : this.stop()));
    byId("zoom-in").addEventListener("click", () => this.#scale(ZOOM_FACTOR));
    byId("zoom-out").addEventListener("click", () => this.#scale(1 / ZOOM_FACTOR));
    byId("zoom-reset").addEventListener("click", () => this.zoom(null));
  }

  /**
   * Set new times; the cursor moves to the time nearest to its own.
   * @param {Float64Array} times
   * @param {number} time
   * @param {boolean} log
   */
  setTimes(times, time, log) {
    const other =
      times.length !== this.times.length || times.at(-1) !== this.times.at(-1) || times[0] !== this.times[0];
    this.times = times;
    this.log = log;
    this.slider.max = String(times.length - 1);
    if (other && this.range !== null) this.zoom(null);
    if (this.playing === 0) this.#to(nearest(times, time), true);
    else this.#to(Math.min(this.index, times.length - 1), false);
  }

  /** @param {number} time */
  seek(time) {
    this.stop();
    this.#to(nearest(this.times, time), true);
  }

  /** @param {number} by */
  step(by) {
    this.stop();
    this.#to(Math.max(0, Math.min(this.index + by, this.times.length - 1)), true);
  }

  play() {
    const [last, from] = [this.times.length - 1, this.index >= this.times.length - 1 ? 0 : this.index];
    const began = performance.now() - (PLAY_MS * from) / last;
    this.#label(true);
    const frame = (/** @type {number} */ now) => {
      const index = Math.min(last, Math.floor((Math.max(0, now - began) / PLAY_MS) * last));
      this.#to(index, false);
      if (index < last) this.playing = requestAnimationFrame(frame);
      else this.stop();
    };
    this.playing = requestAnimationFrame(frame);
  }

  stop() {
    if (this.playing === 0) return;
    cancelAnimationFrame(this.playing);
    this.playing = 0;
    this.#label(false);
    this.#to(this.index, true);
  }

  /** @param {[number, number] | null} range */
  zoom(range) {
    this.range = range;
    byId("zoom-reset").disabled = range === null;
    byId("zoom-out").disabled = range === null;
    this.on.zoomed(range);
  }

  /** @param {number} factor */
  #scale(factor) {
    const scale = this.log ? Math.log : (/** @type {number} */ value) => value;
    const back = this.log ? Math.exp : (/** @type {number} */ value) => value;
    const whole = [scale(this.times[0]), scale(this.times[this.times.length - 1])];
    const [low, high] = (this.range ?? [this.times[0], this.times[this.times.length - 1]]).map(scale);
    const centre = scale(this.times[this.index]);
    const half = ((high - low) * factor) / 2;
    if (2 * half >= whole[1] - whole[0]) {
      this.zoom(null);
      return;
    }
    const first = Math.max(whole[0], Math.min(centre - half, whole[1] - 2 * half));
    this.zoom([back(first), back(first + 2 * half)]);
  }

  /**
   * @param {number} index
   * @param {boolean} resting
   */
  #to(index, resting) {
    this.index = index;
    const time = this.times[index];
    this.slider.value = String(index);
    this.slider.setAttribute("aria-valuetext", `t = ${number(time, 4)}`);
    this.output.textContent = `t = ${number(time, 4)}`;
    this.slider.style.setProperty("--place", `${(100 * index) / Math.max(1, this.times.length - 1)}%`);
    this.on.moved(index, resting);
  }

  /** @param {boolean} playing */
  #label(playing) {
    this.button.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.button.firstElementChild.textContent = playing ? "❚❚" : "▶";
  }
}
