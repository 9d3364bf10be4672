/** Small helpers for the document. */

/**
 * The element with this id.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`no element has the id ${id}`);
  return element;
}

/**
 * A new element with attributes and children.
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Save bytes or text as a file.
 * @param {string} name
 * @param {BlobPart} content
 * @param {string} type
 */
export function save(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const [MIN_TOAST_MS, TOAST_MS_PER_CHARACTER] = [4_000, 80]; // so that long texts can be read

/**
 * Show a message for some seconds.
 * @param {string} text
 */
export function toast(text) {
  const box = byId("toast");
  box.textContent = text;
  clearTimeout(Number(box.dataset.timer));
  box.dataset.timer = String(
    setTimeout(() => (box.textContent = ""), Math.max(MIN_TOAST_MS, TOAST_MS_PER_CHARACTER * text.length)),
  );
}
