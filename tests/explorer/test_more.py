"""Further quantities of a run, its weights, how its layers learn, and what is fetched for the pictures."""

import io
import json

import numpy as np
from support.browser import SETTLED, until
from support.service import ask

FIVE = "#dims=5_4_6&task=spectrum&scale=0.1&seed=7&stop=6&time=3&lambda=1.5"


def request(**changes):
    """The request of FIVE."""
    return {
        "network": {"kind": "balanced", "dims": [5, 4, 6], "lambda": 1.5, "scale": 0.1, "seed": 7},
        "task": {"kind": "spectrum", "singular_values": [5, 4, 3, 2, 1], "seed": 1},
        "times": {"start": 0, "stop": 6, "num": 200},
        "quantities": ["ntk_movement", "effective_rank", "sharpness", "weights"],
    } | changes


def test_further_quantities_are_those_of_the_api(explorer, service):
    page = explorer.open(FIVE)
    assert page.locator("#picture-sharpness").is_hidden()
    explorer.drawn(lambda: page.click("#more-panel summary"))
    page.locator("#picture-weights-2 canvas").wait_for()
    with service.client() as client:
        expected = ask(client, request())
    found = expected["quantities"]
    for picture, column, name in (
        ("movement", "NTK movement", "ntk_movement"),
        ("rank", "effective rank", "effective_rank"),
        ("sharpness", "sharpness", "sharpness"),
    ):
        assert np.allclose(explorer.table(picture)[column], found[name], rtol=1e-9, atol=1e-12)
    at = int(np.argmin(np.abs(expected["times"] - 3)))
    for layer, shape in ((0, (4, 5)), (1, (6, 4))):
        matrix = explorer.matrix(f"weights-{layer + 1}")
        assert matrix.shape == shape
        assert np.allclose(matrix, found["weights"][layer][at], rtol=0, atol=1e-13)
    sharpness = np.array(found["sharpness"])
    note = page.inner_text("#picture-sharpness .notes")
    assert (
        f"2 / sharpness = {2 / sharpness[at]:.3g}, along the whole run with rates up to {2 / sharpness.max():.3g}"
        in note
    )
    page.locator("#more-panel").scroll_into_view_if_needed()
    explorer.screenshot("explorer-more", full_page=True)


def test_further_pictures_by_keyboard_and_link(explorer):
    page = explorer.open(FIVE)
    page.focus("#more-panel summary")
    explorer.drawn(lambda: page.keyboard.press("Enter"))
    page.locator("#picture-weights-1 canvas").wait_for()
    page.focus("#picture-sharpness .plot")
    before = page.inner_text("#time-value")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#time-value") != before
    until(page, SETTLED)
    page.focus("#picture-weights-1 canvas")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#tooltip").startswith("Weights W₁")
    assert "hidden 2, input 1" in page.inner_text("#tooltip")
    page.click("#share")
    other = explorer.another(page.evaluate("navigator.clipboard.readText()"))
    assert other.locator("#picture-sharpness .u-over").is_visible()


def test_the_verdict_has_the_numbers_of_the_api(explorer, service):
    for lam, stop, name in ((0, 6, "Rich"), (200, 1, "Lazy"), (1.5, 0.001, "Regime undetermined")):
        page = explorer.open(FIVE.replace("lambda=1.5", f"lambda={lam}").replace("stop=6&time=3", f"stop={stop}"))
        body = request(times={"start": 0, "stop": stop, "num": 200})
        body["network"] |= {"lambda": lam}
        with service.client() as client:
            regime = client.post("/v1/trajectories", json=body).json()["regime"]
        said = page.inner_text("#verdict")
        assert said.startswith(name)
        assert page.inner_text("#regime") == name.lower()
        if regime is not None:
            assert regime["verdict"] == name.lower()
            assert f"{regime['ntk_movement']:.3g} times its initial norm" in said.replace("·10⁻", "e-")
        page.goto("about:blank")


def test_how_the_layers_learn(explorer, service):
    page = explorer.open(FIVE)
    assert page.locator("#decay").is_hidden()
    page.click("#learning summary")
    explorer.drawn(lambda: page.fill("#decay", "0.1"))
    explorer.drawn(lambda: page.fill("#rates", "1, 2"))
    explorer.drawn(lambda: page.select_option("#schedule", "cosine"))
    explorer.drawn(lambda: page.fill("#period", "5"))
    explorer.drawn(lambda: page.fill("#floor", "0.2"))
    learning = {
        "weight_decay": 0.1,
        "learning_rates": [1, 2],
        "schedule": {"kind": "cosine", "period": 5, "floor": 0.2},
    }
    with service.client() as client:
        expected = ask(client, request(quantities=["excess_loss"], **learning))["quantities"]["excess_loss"]
    assert np.allclose(explorer.table("loss")["excess loss"], expected, rtol=1e-9, atol=0)
    explorer.drawn(lambda: page.select_option("#schedule", "piecewise"))
    assert page.locator("#period").is_hidden()
    page.fill("#rates", "1, 2, 3")
    assert "expected 2 numbers above 0" in page.inner_text("#rates-problem")
    page.fill("#change-times", "3, 2")
    assert "expected ascending times" in page.inner_text("#change-times-problem")
    page.fill("#factors", "1; -1")
    assert "at least 0" in page.inner_text("#factors-problem")
    page.click("#share")
    other = explorer.another(page.evaluate("navigator.clipboard.readText()"))
    assert other.input_value("#decay") == "0.1"
    assert other.input_value("#rates") == "1, 2"


def test_units_that_are_not_linear_beside_the_linear_theory(explorer, service):
    page = explorer.open("#descent=true&scale=0.1&stop=8&rate=0.05")
    until(page, "document.getElementById('descent-note').textContent.includes('%')")
    linear = explorer.table("loss")["simulated"]
    page.select_option("#units", "relu")
    until(page, "document.getElementById('descent-note').textContent.includes('%')")
    until(
        page,
        f"document.querySelector('#picture-kernel .legend').textContent.includes('simulated') === false && {SETTLED}",
    )
    relu = explorer.table("loss")["simulated"]
    body = {
        "network": {"kind": "balanced", "dims": [8, 8, 8], "lambda": 0, "scale": 0.1, "seed": 11},
        "task": {"kind": "semantic", "levels": 3},
        "times": {"stop": 8, "num": 200},
        "quantities": ["loss"],
        "method": {"kind": "descent", "learning_rate": 0.05, "activation": "relu"},
    }
    with service.client() as client:
        assert np.array_equal(relu, ask(client, body)["quantities"]["loss"])
    assert not np.array_equal(relu, linear)


def test_matrices_are_fetched_at_the_time_of_the_cursor_until_it_moves(explorer, service):
    page = explorer.open(FIVE)
    posted = []
    page.on("request", lambda sent: posted.append(json.loads(sent.post_data)) if sent.post_data else None)
    explorer.drawn(lambda: page.fill("#lambda-number", "2"))
    asked = [body for body in posted if "qqt" in body["quantities"]]
    assert [len(body["times"]) for body in asked] == [2]
    assert all("qqt" not in body["quantities"] for body in posted if body not in asked)
    posted.clear()
    page.focus("#picture-loss .plot")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    until(page, SETTLED)
    assert [len(body["times"]) for body in posted] == [200]
    body = request(quantities=["qqt"])
    body["network"] |= {"lambda": 2}
    with service.client() as client:
        found = ask(client, body)
    at = int(np.argmin(np.abs(found["times"] - float(page.inner_text("#time-value").removeprefix("t = ")))))
    assert np.allclose(explorer.matrix("representation"), found["quantities"]["qqt"][at], rtol=0, atol=1e-13)


def test_all_numbers_are_saved_under_a_name_of_the_run(explorer):
    page = explorer.open(FIVE)
    with page.expect_download() as waiting:
        page.click("#download-all")
    assert waiting.value.suggested_filename.startswith("lindyn-5-4-6-lambda1.5-")
    with np.load(io.BytesIO(waiting.value.path().read_bytes()), allow_pickle=False) as archive:
        assert {"qqt", "weights.0", "weights.1", "sharpness", "excess_loss"} <= set(archive)
    names = set()
    for lam in ("1", "2"):
        explorer.drawn(lambda lam=lam: page.fill("#lambda-number", lam))
        with page.expect_download() as waiting:
            page.click("#picture-loss .downloads button:has-text('CSV')")
        names.add(waiting.value.suggested_filename)
    assert len(names) == 2
    assert all(name.startswith("lindyn-loss-5-4-6-lambda") for name in names)


def test_items_and_features_of_the_hierarchy_have_names(explorer):
    page = explorer.open()
    until(page, SETTLED)
    page.focus("#picture-representation canvas")
    page.keyboard.press("ArrowDown")
    assert "canary, robin" in page.inner_text("#tooltip")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    assert "animal or plant, robin" in page.inner_text("#tooltip")


def test_titles_follow_the_depth(explorer):
    page = explorer.open("#network=random&dims=4_3_5&task=spectrum&spectrum=2_1&stop=4")
    title = "#singular-values-title"
    assert page.inner_text(title) == "Singular values of W₂W₁"
    explorer.drawn(lambda: page.fill("#dims", "4-4-3-5"))
    assert page.inner_text(title) == "Singular values of W₃W₂W₁"
    explorer.drawn(lambda: page.fill("#dims", "4-4-4-3-5"))
    assert page.inner_text(title) == "Singular values of W₄…W₁"


def test_logarithmic_axes_end_at_the_values(explorer):
    """Not at the next powers of ten, which would leave most of the picture empty."""
    explorer.open("#dims=8_8_8&task=regression&stop=30&scale=0.1&spacing=log&start=0.03")
    loss = explorer.table("loss")["loss"]
    svg = explorer.download("#picture-loss .downloads button:has-text('SVG')").decode()
    labels = [float(part.split(">")[1].split("<")[0]) for part in svg.split('text-anchor="end"')[1:]]
    assert len(labels) >= 2
    assert 0.9 * loss.min() < min(labels)
    assert max(labels) < 1.1 * loss.max()


def test_the_limit_of_wide_layers_says_with_which_lambda_it_learns(explorer, service):
    page = explorer.open("#dims=4_300_3&task=spectrum&spectrum=2_1&stop=6&network=random&seed=3")
    explorer.drawn(lambda: page.select_option("#network", "wide"))
    body = {
        "network": {"kind": "wide", "dims": [4, 300, 3], "scheme": "lecun", "gain": 1, "start": "drawn", "seed": 3},
        "task": {"kind": "spectrum", "singular_values": [2, 1], "seed": 1},
        "times": {"stop": 6, "num": 200},
        "quantities": ["excess_loss"],
    }
    with service.client() as client:
        answer = client.post("/v1/trajectories", json=body).json()
    assert f"learns as with λ = {answer['diagnostics']['lambda_eff']:.3g}" in page.inner_text("#regime")
    loss = explorer.table("loss")["excess loss"]
    assert np.allclose(loss, answer["quantities"]["excess_loss"], rtol=1e-9, atol=1e-12)
    explorer.drawn(lambda: page.click("#more-panel summary"))
    assert page.locator("#picture-sharpness .u-over").is_visible()
    assert page.locator("#picture-weights-1").count() == 0


def test_reasons_are_in_the_notation_of_the_page(explorer):
    page = explorer.open("#dims=5_5_5&task=spectrum&stop=6&network=random")
    page.click("#how summary")
    reason = page.inner_text("#how-text")
    assert "‖B − λ I‖" in reason
    assert "over ‖W₁‖² + ‖W₂‖², tolerance 10⁻¹³" in reason
    assert page.inner_text("#dims-note") == "in–hidden–…–out, such as 5-5-5 or 5-8-8-5"
