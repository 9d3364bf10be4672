/** The request of the page as Python and as curl. */

import { byId, save, toast } from "./dom.js";
import { hasKey } from "./api-key.js";
import { literal, network, task } from "./python.js";

const MAX_CHARACTERS = 6_000; // longer requests are offered as a file that the code reads
const FILE = "lindyn-request.json";

/**
 * @param {any} request
 * @param {string} url
 */
export function asPython(request, url) {
  const long = JSON.stringify(request).length > MAX_CHARACTERS;
  const built = { network, task };
  const fields = Object.entries(request).map(([name, value]) => {
    const write = built[/** @type {keyof typeof built} */ (name)] ?? literal;
    return `        ${name}=${write(value)},`;
  });
  const ask = long
    ? [`    t = c.trajectory(**json.loads(Path("${FILE}").read_text()))`]
    : ["    t = c.trajectory(", ...fields, "    )"];
  return [
    ...(long ? ["import json", "from pathlib import Path", ""] : []),
    "import lindyn",
    "import matplotlib.pyplot as plt",
    "",
    `with lindyn.Client("${url}") as c:${hasKey() ? "  # with the key in LINDYN_API_KEY" : ""}`,
    ...ask,
    "",
    "print(t)  # the method, the reason for it, and the accuracy",
    "t.plot.loss()",
    "t.plot.modes()",
    "plt.show()",
    "",
  ].join("\n");
}

/**
 * @param {any} request
 * @param {string} url
 */
export function asCurl(request, url) {
  const body = JSON.stringify(request);
  const data =
    body.length > MAX_CHARACTERS
      ? `--data @${FILE}`
      : `--data '${JSON.stringify(request, null, 1)
          .replaceAll(/\n\s*(?=[-\d\]])/g, " ")
          .replaceAll("'", "'\\''")}'`;
  const key = hasKey() ? `  -H "Authorization: Bearer $LINDYN_API_KEY" \\\n` : "";
  return `curl ${url}/v1/trajectories \\\n  -H 'Content-Type: application/json' \\\n${key}  ${data}\n`;
}

export class Code {
  /** @param {() => unknown} request the request of the page, null if there is none yet */
  constructor(request) {
    this.request = request;
    this.language = "python";
    const dialog = byId("code");
    byId("code-open").addEventListener("click", () => {
      this.#show();
      dialog.showModal();
    });
    byId("code-close").addEventListener("click", () => dialog.close());
    byId("code-copy").addEventListener("click", () => copy(byId("code-text").textContent, "code-status"));
    byId("code-request").addEventListener("click", () =>
      save(FILE, JSON.stringify(this.request()), "application/json"),
    );
    for (const name of ["python", "curl"]) {
      const tab = byId(`tab-${name}`);
      tab.addEventListener("click", () => this.#choose(name));
      tab.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        this.#choose(name === "python" ? "curl" : "python");
        byId(`tab-${this.language}`).focus();
      });
    }
  }

  /** @param {string} language */
  #choose(language) {
    this.language = language;
    for (const name of ["python", "curl"]) {
      byId(`tab-${name}`).setAttribute("aria-selected", String(name === language));
      byId(`tab-${name}`).tabIndex = name === language ? 0 : -1;
    }
    byId("code-text").setAttribute("aria-labelledby", `tab-${language}`);
    this.#show();
  }

  #show() {
    const request = this.request();
    const url = new URL(".", document.baseURI).href.replace(/\/$/, "");
    byId("code-status").textContent = "";
    byId("code-request").hidden = request === null || JSON.stringify(request).length <= MAX_CHARACTERS;
    if (request === null) byId("code-text").textContent = "Nothing has been computed yet.";
    else byId("code-text").textContent = this.language === "python" ? asPython(request, url) : asCurl(request, url);
  }
}

/**
 * @param {string} text
 * @param {string | null} status id of the element that shows the outcome; null for a toast
 */
export async function copy(text, status) {
  let outcome = "Copied.";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    outcome = "The browser does not allow copying: select the text instead.";
  }
  if (status === null) toast(outcome);
  else byId(status).textContent = outcome;
}
