/** Light or dark theme: that of the system, unless the user chooses one. */

import { byId } from "./dom.js";

const KEY = "lindyn-theme";
const ORDER = /** @type {const} */ (["auto", "light", "dark"]);
const NAMES = { auto: "as the system", light: "light", dark: "dark" };
const SIGNS = { auto: "◐", light: "☀", dark: "☾" };

/** @param {() => void} changed */
export function startTheme(changed) {
  /** @type {typeof ORDER[number]} */
  let theme = ORDER.find((each) => each === remembered()) ?? "auto";
  const button = byId("theme");
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    button.setAttribute("aria-label", `Colours: ${NAMES[theme]}`);
    button.title = `Colours: ${NAMES[theme]}`;
    button.textContent = SIGNS[theme];
    changed();
  };
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // without storage the theme still changes
    }
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  apply();
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
