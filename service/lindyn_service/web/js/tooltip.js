/** The tooltip with values next to the pointer. */

import { byId, make } from "./dom.js";

const MAX_ROWS = 14;

/**
 * @param {{ left: number, top: number }} position coordinates of the pointer in the window
 * @param {string} title
 * @param {{ label: string, value: string, colour?: string }[]} rows
 */
export function showTooltip(position, title, rows) {
  const box = byId("tooltip");
  const shown = rows.slice(0, MAX_ROWS).map(({ label, value, colour }) => {
    const swatch = make("i");
    swatch.style.background = colour ?? "transparent";
    return make("div", {}, swatch, make("span", {}, label), make("b", {}, value));
  });
  const more = rows.length > MAX_ROWS ? [make("em", {}, `and ${rows.length - MAX_ROWS} more`)] : [];
  box.replaceChildren(make("strong", {}, title), ...shown, ...more);
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const right = position.left + 16 + width < innerWidth ? position.left + 16 : position.left - 16 - width;
  box.style.left = `${Math.max(4, right)}px`;
  box.style.top = `${Math.max(4, Math.min(position.top + 12, innerHeight - height - 4))}px`;
}

export function hideTooltip() {
  byId("tooltip").hidden = true;
}
