/** Assembles the explorer: state, controls, requests, pictures. */

import { compute, Problem } from "./api.js";
import { Code, copy } from "./code.js";
import { missingInput, Controls } from "./controls.js";
import { byId, make, save, toast } from "./dom.js";
import { Forgetting } from "./forgetting.js";
import { number } from "./format.js";
import { LambdaSlider } from "./lambda-slider.js";
import { LatestRequest } from "./latest-request.js";
import { nearest, redrawAll } from "./lines.js";
import { deviation, timesOf } from "./models.js";
import { Uploads } from "./uploads.js";
import { Pictures } from "./pictures.js";
import { Player } from "./player.js";
import * as requests from "./request.js";
import { DEFAULTS, fromHash, INPUTS, sameInputs, Store, toHash } from "./state.js";
import { Sweep } from "./sweep.js";
import { startTheme } from "./theme.js";
import { Tour } from "./tour.js";
import { Views } from "./views.js";
import { showError } from "./error-banner.js";
import { accuracy, methodName, notes, provenance, regime } from "./answer-text.js";

const ADDRESS_DELAY_MS = 250; // browsers limit how often the address may change
const MATRIX_DELAY_MS = 150;
const MAX_MATRIX_ROWS = 1000;

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./api.js").Answer} Answer */
/** @typedef {{ state: State, request: any }} Input */

const { state: initial, wrong } = fromHash(location.hash.slice(1));
const store = new Store(initial);

/** @type {(Input & { answer: Answer }) | null} */
let shown = null;
/** @type {{ state: State, answer: Answer } | null} */
let simulated = null;
let addressTimer = 0;
let matrixTimer = 0;

const player = new Player({ moved, zoomed: (range) => pictures.setZoom(range) });
const pictures = new Pictures(byId("pictures"), {
  pick: (time) => player.seek(time),
  zoom: (range) => player.zoom(range),
  step: (by) => player.step(by),
});
const [lambdaSlider, controls, uploads, sweep, forgetting] = [
  new LambdaSlider(store),
  new Controls(store),
  new Uploads(store),
  new Sweep(store),
  new Forgetting(store),
];
const views = new Views(store, { pick: (time) => player.seek(time), step: (by) => player.step(by) });

const computing = new LatestRequest(
  (/** @type {Input} */ input, signal) => compute("v1/trajectories", input.request, signal),
  {
    done: (answer, input) => received(answer, input),
    failed,
    busy: (busy) => document.body.classList.toggle("computing", busy),
  },
);
const training = new LatestRequest(
  (/** @type {Input} */ input, signal) => compute("v1/trajectories", input.request, signal),
  {
    done: (answer, { state }) => {
      simulated = { state, answer };
      draw();
    },
    failed: (error) => {
      simulated = null;
      byId("descent-note").textContent = error.message;
      draw();
    },
  },
);
const matrix = new LatestRequest((/** @type {any} */ request, signal) => compute("v1/trajectories", request, signal), {
  done: (answer) => {
    const qqt = answer.arrays.get("qqt");
    if (qqt?.values) pictures.showMatrix(qqt.values, qqt.shape[1]);
  },
  failed: (error) => pictures.showNoMatrix(error.message),
});

/** Send the request of a state. @param {State} state */
function ask(state) {
  const missing = missingInput(state);
  if (missing !== "") {
    computing.cancel();
    showError("problem", null);
    byId("words").textContent = missing;
    return;
  }
  computing.ask({ state, request: requests.trajectory(state) });
  train(state);
}

/** @param {State} state */
function train(state) {
  byId("descent-note").textContent = "";
  if (state.descent) training.ask({ state, request: requests.descent(state) });
  else {
    training.cancel();
    simulated = null;
  }
}

/** @param {Answer} answer @param {Input} input */
function received(answer, input) {
  shown = { ...input, answer };
  showError("problem", null);
  controls.show(store.state);
  lambdaSlider.accept();
  draw();
  describe(answer, input.state);
  forgetting.follow(store.state, answer.meta.diagnostics.target?.singular_values ?? []);
  byId("download-all").disabled = false;
  document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
}

function draw() {
  if (shown === null) return;
  const { state, answer } = shown;
  const fits = simulated !== null && store.state.descent && sameInputs(simulated.state, state);
  const run = { state, answer, simulated: fits ? /** @type {{ answer: Answer }} */ (simulated).answer : null };
  pictures.show(run);
  views.follow(run);
  player.setTimes(timesOf(run), store.state.time, state.spacing === "log");
  if (run.simulated === null) return;
  byId("descent-note").textContent =
    `Its loss deviates by at most ${number(100 * deviation(run), 2)} % from the computed one, over ${number(run.simulated.meta.diagnostics.steps, 6)} steps.`;
}

/** Describe an answer: method, reason, accuracy, source, time. @param {Answer} answer @param {State} state */
function describe(answer, state) {
  const { method, reason, lambda, diagnostics } = answer.meta;
  byId("words").replaceChildren(
    make("b", { class: "method" }, methodName(method)),
    ` — ${accuracy(answer)}. `,
    make("span", { class: "why" }, `Why: ${reason}.`),
    " ",
    make("span", { class: "timing", id: "timing" }, `${provenance(answer)}.`),
  );
  const strongest = Math.max(...(diagnostics.target?.singular_values ?? [1]));
  byId("regime").textContent =
    state.network === "balanced"
      ? regime(lambda, strongest)
      : lambda === null
        ? "of each pair of layers"
        : `nearest: ${number(lambda)}`;
  const texts = notes(answer, state.stop);
  for (const id of ["loss", "singular-values", "representation", "kernel", "alignment", "specificity"]) {
    pictures.figure(id)?.setNotes(texts.get(id) ?? []);
  }
}

/** @param {Error} error @param {Input} _input @param {number | null} retryMs */
function failed(error, _input, retryMs) {
  showError("problem", error, retryMs, error instanceof Problem ? showAtFields(error.errors) : "");
}

/**
 * Show each error at the field that it names.
 * @param {{ path: string, detail: string }[]} errors
 * @returns {string} a reference to the fields, if every error is shown at a field; else empty
 */
function showAtFields(errors) {
  const ofLambda = errors.filter(({ path }) => path === "network.lambda");
  for (const { detail } of ofLambda) lambdaSlider.refuse(detail);
  const fields = controls.refuse(errors);
  if (errors.length === 0 || fields.length + ofLambda.length < errors.length) return "";
  const names = new Set(fields.map((id) => `“${document.querySelector(`label[for="${id}"]`)?.textContent}”`));
  return `See ${[...(ofLambda.length > 0 ? ["λ"] : []), ...names].join(" and ")}.`;
}

/** @param {number} _index @param {boolean} resting */
function moved(_index, resting) {
  pictures.setIndex(player.index, resting);
  views.setTime(pictures.time());
  if (shown === null) return;
  if (resting && nearest(timesOf(/** @type {any} */ (shown)), store.state.time) !== player.index) {
    store.set({ time: Number(pictures.time().toPrecision(6)) });
  }
  if (!requests.hasMap(shown.state)) requestMatrix(shown);
}

/** Request QQᵀ at the cursor's time, if it is too large at all times. @param {Input} input */
function requestMatrix({ state, request }) {
  const dims = requests.dimsOf(state);
  const size = dims[0] + dims[dims.length - 1];
  if (dims.length !== 3) pictures.showNoMatrix("QQᵀ is defined for two layers; this network has more.");
  else if (size > MAX_MATRIX_ROWS) pictures.showNoMatrix(`QQᵀ has ${size} rows here, too many to draw.`);
  else {
    clearTimeout(matrixTimer);
    matrixTimer = setTimeout(
      () => matrix.ask({ ...request, times: [pictures.time()], quantities: ["qqt"] }),
      MATRIX_DELAY_MS,
    );
  }
}

/** @param {string[]} parts of the address that were replaced by defaults */
function reportUnreadable(parts) {
  if (parts.length > 0) toast(`The link has parts that cannot be read: ${parts.join(", ")}.`);
}

function keepAddress() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const { text } = toHash(store.state);
    history.replaceState(null, "", text === "" ? location.pathname : `#${text}`);
  }, ADDRESS_DELAY_MS);
}

/** @param {State} state */
function showControls(state) {
  controls.show(state);
  lambdaSlider.show(state);
  uploads.show(state);
  sweep.show(state);
  forgetting.show(state);
}

store.subscribe((state, changed) => {
  const only = changed.size === 1 && changed.has("time");
  keepAddress();
  if (only) return;
  showControls(state);
  if ([...changed].some((name) => INPUTS.has(name))) ask(state);
  else if (changed.has("descent") || changed.has("rate")) {
    train(state);
    draw();
  } else if (["forgetting", "secondSeed"].some((name) => changed.has(name))) {
    forgetting.follow(state, shown?.answer.meta.diagnostics.target?.singular_values ?? []);
  }
});

byId("reset").addEventListener("click", () => {
  uploads.reset();
  store.set({ ...DEFAULTS });
  showControls(store.state); // the state does not contain refused input
});

// the address in the event, because the page's may have been overwritten from the earlier state meanwhile
addEventListener("hashchange", ({ newURL }) => {
  const { state, wrong } = fromHash(new URL(newURL).hash.slice(1));
  reportUnreadable(wrong);
  store.set(state);
});

byId("share").addEventListener("click", () => {
  const { text, complete } = toHash(store.state);
  const url = `${location.origin}${location.pathname}${text === "" ? "" : `#${text}`}`;
  history.replaceState(null, "", url);
  if (complete) copy(url, null);
  else copy(url, null).then(() => toast("Copied, but without your matrices: these are too large for a link."));
});

byId("download-all").addEventListener("click", () => {
  if (shown !== null) save(`lindyn-${shown.answer.meta.key.slice(0, 12)}.npz`, shown.answer.bytes, "application/x-npz");
});

new Code(() => shown?.request ?? null);
new Tour(store);
startTheme(() => {
  redrawAll();
  pictures.restyle();
  pictures.map.heatmap.draw();
  views.restyle();
});
showControls(store.state);
player.zoom(null);
reportUnreadable(wrong);
ask(store.state);
