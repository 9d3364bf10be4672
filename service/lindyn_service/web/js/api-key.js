/** The API key, if the service needs one: stored for this tab only, sent as a header, and never part of a link. */

import { byId } from "./dom.js";

const NAME = "lindyn-key";

/** @type {Promise<boolean> | null} */
let asking = null;

/** Whether requests are sent with a key. */
export function hasKey() {
  return sessionStorage.getItem(NAME) !== null;
}

/**
 * The headers that send the key.
 * @returns {Record<string, string>}
 */
export function withKey() {
  const key = sessionStorage.getItem(NAME);
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}

/**
 * Ask the user for a key, once for all requests that were refused.
 * @param {string} detail reason that the service gave
 * @returns {Promise<boolean>} whether the user entered another key
 */
export function askForKey(detail) {
  asking ??= answered(detail).finally(() => (asking = null));
  return asking;
}

/** @param {string} detail */
async function answered(detail) {
  const dialog = byId("key");
  const field = byId("key-text");
  byId("key-why").textContent = hasKey() ? `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.` : "";
  byId("key-form").onsubmit = () => dialog.close(field.value.trim());
  byId("key-cancel").onclick = () => dialog.close("");
  field.value = dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  const key = dialog.returnValue;
  field.value = dialog.returnValue = "";
  if (key !== "") sessionStorage.setItem(NAME, key);
  return key !== "";
}
