/** Assembles the explorer: state, controls, requests, pictures. */

import { compute, Problem } from "./api.js";
import { describe } from "./answer-view.js";
import { Code, copy } from "./code.js";
import { consequences } from "./consequences.js";
import { missingInput, Controls } from "./controls.js";
import { byId, save, toast } from "./dom.js";
import { FitTime } from "./fit-time.js";
import { typeset } from "./format.js";
import { Forgetting } from "./forgetting.js";
import { LambdaSlider } from "./lambda-slider.js";
import { LatestRequest } from "./latest-request.js";
import { nearest, redrawAll } from "./lines.js";
import { Matrices } from "./matrices.js";
import { timesOf } from "./models.js";
import { NetworkDiagram } from "./network-diagram.js";
import { Pins } from "./pins.js";
import { Uploads } from "./uploads.js";
import { Pictures } from "./pictures.js";
import { Player } from "./player.js";
import { describeRun } from "./run-label.js";
import * as requests from "./request.js";
import { quoted, withLabels } from "./request-labels.js";
import { fromHash, toHash } from "./link.js";
import { DEFAULTS, INPUTS, sameInputs, Store } from "./state.js";
import { Sweep } from "./sweep.js";
import { startTheme } from "./theme.js";
import { Training } from "./training.js";
import { Tour } from "./tour.js";
import { Undo } from "./undo.js";
import { Views } from "./views.js";
import { showError } from "./error-banner.js";
import { Waiting } from "./waiting.js";

const ADDRESS_DELAY_MS = 250; // browsers limit how often the address may change

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./api.js").Answer} Answer */
/** @typedef {{ state: State, request: any }} Input */

const { state: initial, wrong } = fromHash(location.hash.slice(1));
const store = new Store(initial);

/** @type {(Input & { answer: Answer }) | null} */
let shown = null;
let addressTimer = 0;
const pending = new Set(); // names of requests without an answer

const player = new Player({ moved, zoomed: (range) => pictures.setZoom(range) });
const pictures = new Pictures(byId("pictures"), byId("more-pictures"), {
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
const [pins, training, undo, waiting, fitTime] = [
  new Pins(store, draw),
  new Training(store, draw),
  new Undo(store),
  new Waiting(cancel),
  new FitTime(store, busy("horizon")),
];
const matrices = new Matrices({
  show: (found, time) => pictures.showMatrices(found, time),
  absent: (reason) => pictures.representation.map.showNone(reason),
  busy: busy("matrices"),
});
const diagram = new NetworkDiagram();
const views = new Views(store, { pick: (time) => player.seek(time), step: (by) => player.step(by) });

const computing = new LatestRequest(
  (/** @type {Input} */ input, signal) => compute("v1/trajectories", input.request, signal),
  {
    done: (answer, input) => received(answer, input),
    failed,
    busy: (is) => {
      if (!is) waiting.end();
      busy("curves")(is);
    },
  },
);
/** @param {string} name of a request */
function busy(name) {
  return (/** @type {boolean} */ is) => {
    if (is) pending.add(name);
    else pending.delete(name);
    document.body.classList.toggle("computing", pending.size > 0);
  };
}

/** Dim the pictures while they show another run than the controls. */
function markStale() {
  document.body.classList.toggle("stale", shown !== null && !sameInputs(shown.state, store.state));
}

/** Send the request of a state. @param {State} state */
function ask(state) {
  const missing = missingInput(state);
  if (missing !== "") {
    computing.cancel();
    waiting.end();
    showError("problem", null);
    byId("how").hidden = true; // it is about the run before
    byId("words").textContent = shown === null ? missing : `${missing} They still show the run before.`;
    return;
  }
  const run = describeRun(state, shown?.state ?? state);
  const old = shown === null ? run : describeRun(shown.state, state);
  waiting.start(`Computing ${run} …${run === old ? "" : ` The pictures still show ${old}.`}`);
  computing.ask({ state, request: requests.trajectory(state) });
  training.follow(state);
}

/** Stop computing, and return to the run that the pictures show. */
function cancel() {
  computing.cancel();
  fitTime.cancel();
  waiting.end();
  if (shown === null) {
    byId("words").textContent = "Cancelled; change anything to compute again.";
    return;
  }
  const { state } = shown;
  store.set(Object.fromEntries([...INPUTS].map((name) => [name, state[/** @type {keyof State} */ (name)]])));
}

/** @param {Answer} answer @param {Input} input */
function received(answer, input) {
  shown = { ...input, answer };
  showError("problem", null);
  controls.show(store.state);
  lambdaSlider.accept();
  if (computing.waiting !== null) waiting.again();
  markStale();
  draw();
  describe(answer, input.state, pictures);
  forgetting.follow(store.state, answer.meta.diagnostics.target?.singular_values ?? []);
  byId("download-all").disabled = false;
  document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
}

function draw() {
  if (shown === null) return;
  const { state, answer } = shown;
  const run = { state, answer, simulated: training.answer(state), pinned: pins.runs(state) };
  pictures.show(run);
  diagram.show(run);
  views.follow(run);
  player.setTimes(timesOf(run), store.state.time, state.spacing === "log");
  training.report(run);
}

/** @param {Error} error @param {Input} _input @param {number | null} retryMs */
function failed(error, _input, retryMs) {
  if (shown === null && retryMs === null) byId("words").textContent = "There is no picture yet.";
  showError("problem", error, retryMs, error instanceof Problem ? showAtFields(error.errors) : "");
}

/**
 * Show each error at the field that it names.
 * @param {{ path: string, detail: string }[]} errors
 * @returns {string} a reference to the fields, if every error is shown at a field; else empty
 */
function showAtFields(errors) {
  const ofLambda = errors.filter(({ path }) => path === "network.lambda");
  for (const { detail } of ofLambda) lambdaSlider.refuse(typeset(withLabels(detail)));
  const fields = controls.refuse(errors);
  if (errors.length === 0 || fields.length + ofLambda.length < errors.length) return "";
  const names = new Set(fields.map(quoted));
  return `See ${[...(ofLambda.length > 0 ? ["λ"] : []), ...names].join(" and ")}.`;
}

/** @param {number} _index @param {boolean} resting */
function moved(_index, resting) {
  pictures.setIndex(player.index, resting);
  diagram.setIndex(pictures.index, pictures.time(), resting);
  views.setTime(pictures.time());
  if (shown === null) return;
  const times = timesOf(shown);
  if (resting && nearest(times, store.state.time) !== player.index) {
    store.set({ time: Number(pictures.time().toPrecision(6)) });
  }
  matrices.at(shown, times, player.index, !resting);
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
  pins.show(state);
  byId("more-panel").open = state.more;
}

store.subscribe((state, changed) => {
  const only = changed.size === 1 && changed.has("time");
  keepAddress();
  if (only) return;
  showControls(state);
  markStale();
  if (changed.has("more") || [...changed].some((name) => INPUTS.has(name))) ask(state);
  else if (["descent", "rate", "units"].some((name) => changed.has(name))) {
    training.follow(state);
    draw();
  } else if (changed.has("pins")) draw();
  else if (["forgetting", "secondSeed"].some((name) => changed.has(name))) {
    forgetting.follow(state, shown?.answer.meta.diagnostics.target?.singular_values ?? []);
  }
});

store.changedByUser = (before, changes) => {
  undo.offer(before, changes, consequences(before, store.state, changes));
  fitTime.follow(before);
};

byId("more-panel").addEventListener("toggle", () => store.set({ more: byId("more-panel").open }));

byId("reset").addEventListener("click", () => {
  uploads.reset();
  undo.withdraw();
  fitTime.cancel();
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

byId("download-all").addEventListener("click", async () => {
  if (shown === null) return;
  const button = byId("download-all");
  button.disabled = true;
  try {
    const { bytes } = await compute("v1/trajectories", requests.complete(shown.state));
    save(`lindyn-${pictures.of.slug()}.npz`, bytes, "application/x-npz");
  } catch (error) {
    toast(/** @type {Error} */ (error).message);
  }
  button.disabled = false;
});

new Code(() => shown?.request ?? null);
new Tour(store);
startTheme(() => {
  redrawAll();
  pictures.restyle();
  views.restyle();
});
showControls(store.state);
player.zoom(null);
reportUnreadable(wrong);
ask(store.state);
