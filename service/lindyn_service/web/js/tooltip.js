/** The tooltip with values next to the pointer. */

import { byId, make } from "./dom.js";

const MAX_ROWS = 14;

/**
 * @param {{ left: number, top: number }} position coordinates of the pointer in the window
 * @param {string} title
 * @param {{ label: string, value: string | string[], colour?: string }[]} rows
 * @param {string[]} [columns] names of the values, where rows have several
 */
export function showTooltip(position, title, rows, columns = []) {
  const box = byId("tooltip");
  const width = Math.max(1, columns.length);
  const names = columns.length > 1 ? [row("", columns, undefined)] : [];
  const shown = rows.slice(0, MAX_ROWS).map(({ label, value, colour }) => row(label, [value].flat(), colour));
  const more = rows.length > MAX_ROWS ? [make("em", {}, `and ${rows.length - MAX_ROWS} more`)] : [];
  const table = make("div", { class: "values" }, ...names, ...shown);
  table.style.gridTemplateColumns = `auto 1fr repeat(${width}, auto)`;
  box.replaceChildren(make("strong", {}, title), table, ...more);
  box.hidden = false;
  place(box, position);
}

/**
 * @param {string} label
 * @param {string[]} values
 * @param {string | undefined} colour
 */
function row(label, values, colour) {
  const swatch = make("i");
  swatch.style.background = colour ?? "transparent";
  return make("div", {}, swatch, make("span", {}, label), ...values.map((value) => make("b", {}, value)));
}

/** @param {HTMLElement} box @param {{ left: number, top: number }} position */
function place(box, { left, top }) {
  const { width, height } = box.getBoundingClientRect();
  const right = left + 16 + width < innerWidth ? left + 16 : left - 16 - width;
  box.style.left = `${Math.max(4, right)}px`;
  box.style.top = `${Math.max(4, Math.min(top + 12, innerHeight - height - 4))}px`;
}

export function hideTooltip() {
  byId("tooltip").hidden = true;
}
