/**
 * A grid of cells, one for each network of a phase diagram, coloured by a number; cells without one are hatched.
 * @typedef {{
 *   lambdas: number[], scales: number[], values: (number | null)[][], name: string,
 *   reason: (column: number, row: number) => string,
 * }} Diagram `values` by λ, then by scale; `reason` tells why a cell has no value
 */

import { make } from "./dom.js";
import { number } from "./format.js";
import { PhaseColours } from "./phase-colours.js";
import { hideTooltip, showTooltip } from "./tooltip.js";

const MAX_TICKS = { columns: 7, rows: 5 };

export class PhaseGrid {
  /**
   * @param {HTMLElement} host
   * @param {(column: number, row: number) => void} pick handler of a click, or of Enter on a cell
   */
  constructor(host, pick) {
    this.pick = pick;
    /** @type {Diagram | null} */
    this.diagram = null;
    /** @type {HTMLElement[][]} by column, then by row */
    this.cells = [];
    this.at = { column: 0, row: 0 };
    this.yTicks = make("div", { class: "phase-ticks-y", "aria-hidden": "true" });
    this.xTicks = make("div", { class: "phase-ticks-x", "aria-hidden": "true" });
    this.grid = make("div", { class: "phase-cells", role: "grid" });
    const name = (/** @type {string} */ axis, /** @type {string} */ text) =>
      make("div", { class: `phase-name-${axis}`, "aria-hidden": "true" }, text);
    host.append(name("y", "scale"), this.yTicks, this.grid, this.xTicks, name("x", "λ"));
    this.grid.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    this.grid.addEventListener("focusout", hideTooltip);
    this.grid.addEventListener("pointerleave", hideTooltip);
  }

  /** @param {Diagram} diagram */
  draw(diagram) {
    this.diagram = diagram;
    const { lambdas, scales, name } = diagram;
    this.grid.style.setProperty("--columns", String(lambdas.length));
    this.grid.setAttribute("aria-label", `${name} by λ and scale: arrow keys move, Enter opens the network`);
    this.cells = lambdas.map((_, column) => scales.map((__, row) => this.#cell(column, row)));
    const lines = scales.map((_, row) =>
      make("div", { role: "row", class: "phase-row" }, ...this.cells.map((cells) => cells[row])),
    );
    this.grid.replaceChildren(...lines.reverse()); // the largest scale is at the top
    this.xTicks.replaceChildren(...ticksOf(lambdas, MAX_TICKS.columns, "left"));
    this.yTicks.replaceChildren(...ticksOf(scales, MAX_TICKS.rows, "bottom"));
    this.colour();
    this.#enter(Math.min(this.at.column, lambdas.length - 1), Math.min(this.at.row, scales.length - 1));
  }

  /** Colour the cells, in the colours of the theme. */
  colour() {
    if (this.diagram === null) return;
    const { values } = this.diagram;
    const colours = new PhaseColours(values.flat());
    values.forEach((column, i) =>
      column.forEach((value, j) => {
        if (value !== null) this.cells[i][j].style.backgroundColor = colours.of(value);
      }),
    );
  }

  /** Mark the cell of the live network. @param {number} column @param {number} row −1 if it has none */
  mark(column, row) {
    for (const cell of this.grid.querySelectorAll("[aria-current]")) cell.removeAttribute("aria-current");
    if (column < 0 || row < 0) return;
    this.cells[column][row].setAttribute("aria-current", "true");
    if (!this.grid.contains(document.activeElement)) this.#enter(column, row);
  }

  /** @param {number} column @param {number} row */
  #cell(column, row) {
    const diagram = /** @type {Diagram} */ (this.diagram);
    const value = diagram.values[column][row];
    const label = `λ = ${number(diagram.lambdas[column])}, scale ${number(diagram.scales[row])}: ${spoken(value)}`;
    const cell = make("div", { role: "gridcell", tabindex: "-1", "aria-label": label, class: "phase-cell" });
    cell.classList.toggle("no-value", value === null);
    cell.addEventListener("click", () => {
      this.#enter(column, row);
      this.pick(column, row);
    });
    cell.addEventListener("pointermove", (/** @type {PointerEvent} */ event) =>
      this.#tell(column, row, { left: event.clientX, top: event.clientY }),
    );
    cell.addEventListener("focus", () => {
      const box = cell.getBoundingClientRect();
      if (cell.matches(":focus-visible")) this.#tell(column, row, { left: box.right, top: box.top });
    });
    return cell;
  }

  /** Make a cell the one that Tab reaches. @param {number} column @param {number} row */
  #enter(column, row) {
    this.cells[this.at.column]?.[this.at.row]?.setAttribute("tabindex", "-1");
    this.at = { column, row };
    this.cells[column][row].tabIndex = 0;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (event.key === "Escape") hideTooltip();
    if (event.key === "Enter") this.pick(this.at.column, this.at.row);
    if (step === undefined) return;
    event.preventDefault();
    const { lambdas, scales } = /** @type {Diagram} */ (this.diagram);
    const within = (/** @type {number} */ value, /** @type {number} */ count) =>
      Math.max(0, Math.min(count - 1, value));
    this.#enter(within(this.at.column + step[0], lambdas.length), within(this.at.row + step[1], scales.length));
    this.cells[this.at.column][this.at.row].focus();
  }

  /**
   * @param {number} column
   * @param {number} row
   * @param {{ left: number, top: number }} place
   */
  #tell(column, row, place) {
    const { lambdas, scales, values, name, reason } = /** @type {Diagram} */ (this.diagram);
    const value = values[column][row];
    const rows =
      value === null ? [{ label: reason(column, row), value: "" }] : [{ label: name, value: number(value, 4) }];
    showTooltip(place, `λ = ${number(lambdas[column], 4)}, scale = ${number(scales[row], 4)}`, rows);
  }
}

/** @param {number | null} value */
function spoken(value) {
  return value === null ? "no value" : number(value);
}

/**
 * @param {number[]} values
 * @param {number} maximum
 * @param {"left" | "bottom"} side
 */
function ticksOf(values, maximum, side) {
  return tickIndices(values.length, maximum).map((i) => {
    const tick = make("span", {}, number(values[i], 2));
    tick.style[side] = `${(100 * (i + 0.5)) / values.length}%`;
    return tick;
  });
}

/**
 * Indices of the values that are written at an axis, with equal distances, the middle among them.
 * @param {number} count
 * @param {number} maximum
 */
export function tickIndices(count, maximum) {
  const every = Math.max(1, Math.ceil((count - 1) / (maximum - 1)));
  const first = Math.floor((count - 1) / 2) % every;
  return Array.from({ length: Math.ceil((count - first) / every) }, (_, i) => first + i * every);
}
