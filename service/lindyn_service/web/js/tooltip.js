/** The tooltip with the values beside the pointer. */

import { byId, make } from "./dom.js";

const MOST_ROWS = 14;

/**
 * @param {{ left: number, top: number }} place of the pointer in the window
 * @param {string} title
 * @param {{ label: string, value: string, colour?: string }[]} rows
 */
export function showTooltip(place, title, rows) {
  const box = byId("tooltip");
  const shown = rows.slice(0, MOST_ROWS).map(({ label, value, colour }) => {
    const swatch = make("i");
    swatch.style.background = colour ?? "transparent";
    return make("div", {}, swatch, make("span", {}, label), make("b", {}, value));
  });
  const more = rows.length > MOST_ROWS ? [make("em", {}, `and ${rows.length - MOST_ROWS} more`)] : [];
  box.replaceChildren(make("strong", {}, title), ...shown, ...more);
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const right = place.left + 16 + width < innerWidth ? place.left + 16 : place.left - 16 - width;
  box.style.left = `${Math.max(4, right)}px`;
  box.style.top = `${Math.max(4, Math.min(place.top + 12, innerHeight - height - 4))}px`;
}

export function hideTooltip() {
  byId("tooltip").hidden = true;
}
