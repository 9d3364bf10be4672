"""The explorer in a real browser: its pictures, its controls, and agreement of its numbers with the API."""

import numpy as np
import pytest
from support.browser import SETTLED, until
from support.service import ask

FIVE = "#dims=5_5_5&task=spectrum&scale=0.1&seed=7&stop=6&time=3"
IDENTITY = "2x2.AAAAAAAA8D8AAAAAAAAAAAAAAAAAAAAAAAAAAAAA8D8"
PICTURES = ["loss", "singular-values", "representation", "kernel", "alignment", "specificity"]


def five(lam=0.0, **changes):
    """The request that FIVE abbreviates, from the documentation."""
    return {
        "network": {"kind": "balanced", "dims": [5, 5, 5], "lambda": lam, "scale": 0.1, "aligned": False, "seed": 7},
        "task": {"kind": "spectrum", "singular_values": [5, 4, 3, 2, 1], "seed": 1},
        "times": {"start": 0, "stop": 6, "num": 200},
        "quantities": ["excess_loss", "singular_values", "alignment", "ntk_distance", "task_specificity", "qqt"],
    } | changes


def at(page):
    """Time of the cursor."""
    return float(page.inner_text("#time-value").removeprefix("t = "))


def place_of_cursor(page, picture="loss"):
    """Position of the cursor's line within a picture, from 0 to 1."""
    over, line = (page.locator(f"#picture-{picture} {part}").bounding_box() for part in (".u-over", ".time-line"))
    return (line["x"] + line["width"] / 2 - over["x"]) / over["width"]


def stop_after(page, time):
    """Pause at the first frame after a time, from within the page, since nothing else is fast enough."""
    page.evaluate(
        """(time) => new Promise((resolve) => {
            const [play, value] = ["play", "time-value"].map((id) => document.getElementById(id));
            let last = Infinity;
            const look = () => {
                const now = Number(value.textContent.slice(4));
                const begun = now !== 6 || last < 6;
                last = now;
                if (begun && now > time) {
                    if (play.getAttribute("aria-label") === "Pause") play.click();
                    resolve();
                } else requestAnimationFrame(look);
            };
            look();
        })""",
        time,
    )


def drag(page, selector, start, stop, height=0.5):
    box = page.locator(selector).bounding_box()
    y = box["y"] + height * box["height"]
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + (start + stop) / 2 * box["width"], y)
    page.mouse.move(box["x"] + stop * box["width"], y)
    page.mouse.up()


def test_the_first_pictures(explorer):
    page = explorer.open()
    assert page.title() == "lindyn explorer"
    for name in PICTURES:
        assert page.locator(f"#picture-{name}").is_visible()
    words = page.inner_text("#words")
    assert words.startswith("Exact — computed from a formula, up to rounding errors.")
    page.click("#how summary")
    assert page.inner_text("#how-text").startswith("Two layers, isotropic inputs (variance 0.125), balanced to")
    page.click("#how summary")
    assert "ms" in page.inner_text("#timing")
    blocks = page.locator(".block").all_inner_texts()
    assert [block.split("\n")[0] for block in blocks] == ["W₁ᵀW₁", "(W₂W₁)ᵀ", "W₂W₁", "W₂W₂ᵀ"]
    page.set_viewport_size({"width": 1440, "height": 960})
    explorer.screenshot("explorer-light")


def test_the_numbers_are_those_of_the_api(explorer, service):
    explorer.open(FIVE)
    with service.client() as client:
        expected = ask(client, five())
    found = expected["quantities"]
    loss = explorer.table("loss")
    assert np.array_equal(loss["t"], expected["times"])
    assert np.array_equal(loss["excess loss"], found["excess_loss"])
    values = explorer.table("singular-values")
    assert np.array_equal(np.array([values[f"learned {i}"] for i in range(1, 6)]).T, found["singular_values"])
    assert np.allclose([values[f"target {i}"][0] for i in range(1, 6)], [5, 4, 3, 2, 1])
    turned = explorer.table("alignment")
    for side in ("input", "output"):
        columns = np.array([turned[f"mode {i}, {side}"] for i in range(1, 6)]).T
        assert np.array_equal(columns, found["alignment"][side])
    kernel = explorer.table("kernel")
    assert np.array_equal(kernel["NTK distance, 1 − cosine"], found["ntk_distance"])
    scores = explorer.table("specificity")
    assert np.array_equal(scores["output"], found["task_specificity"]["output"])
    matrix = explorer.matrix("representation")
    index = int(np.argmin(np.abs(expected["times"] - 3)))
    assert np.allclose(matrix, found["qqt"][index], rtol=0, atol=1e-13)


def test_equally_strong_modes_share_a_line(explorer):
    """The first pictures at a lambda that learns all modes to rounding, where singular vectors are not unique."""
    page = explorer.open("#lambda=50&stop=20")
    found = explorer.table("alignment")
    for side in ("input", "output"):
        lines = [found[f"mode {i}, {side}"] for i in range(1, 9)]
        for first, others in ((0, [1]), (2, [3]), (4, [5, 6, 7])):
            assert all(np.array_equal(lines[first], lines[other]) for other in others)
        assert np.allclose(np.array(lines)[:, 20:], 1, atol=1e-6)
    assert "Modes with equal singular values share one line" in page.inner_text("#picture-alignment")


def test_missing_modes_have_no_line(explorer):
    page = explorer.open("#dims=8_6_8")
    found = explorer.table("alignment")
    assert [np.isnan(found[f"mode {i}, output"]).all() for i in range(1, 9)] == [False] * 4 + [True] * 4
    assert not any(np.isnan(found[f"mode {i}, output"]).any() for i in range(1, 5))
    note = "Lines have gaps where the singular vectors of the task or of the network are undetermined"
    assert note in page.inner_text("#picture-alignment")
    saved = explorer.download("#picture-alignment .downloads button:has-text('SVG')").decode()
    assert saved.count('<path d="M') > 8
    assert saved.count('<path d=""') == 8
    page.locator("#picture-alignment .u-over").hover()
    rows = page.inner_text("#tooltip").split("\n")
    assert "mode 4" in rows
    assert "mode 5" not in rows


def test_lines_have_gaps_at_undefined_values(explorer):
    """Weights that are the identity have no preferred mode at time 0."""
    page = explorer.open(f"#network=weights&W1={IDENTITY}&W2={IDENTITY}&task=spectrum&spectrum=2_1&stop=4&num=9")
    found = explorer.table("alignment")
    assert np.array_equal(np.isnan(found["mode 1, input"]), [True] + 8 * [False])
    (module,) = {address for address in explorer.requests if address.endswith("/js/lines.js")}
    drawn = f"import('{module}').then(({{ withGaps }}) => withGaps(new Float64Array([NaN, 1, NaN, 2])))"
    assert page.evaluate(drawn) == [None, 1, None, 2]


def test_pictures_follow_lambda(explorer, service):
    page = explorer.open(FIVE)
    explorer.drawn(lambda: page.fill("#lambda-number", "2.5"))
    with service.client() as client:
        expected = ask(client, five(2.5))
        regime = client.post("/v1/trajectories", json=five(2.5)).json()["regime"]
    assert page.inner_text("#regime") == {"between": "between rich and lazy"}.get(regime["verdict"], regime["verdict"])
    assert f"moved by {regime['ntk_movement']:.3g} times" in page.inner_text("#verdict")
    assert f"is {regime['kernel_distance']:.3g}" in page.inner_text("#verdict")
    assert np.array_equal(explorer.table("loss")["excess loss"], expected["quantities"]["excess_loss"])
    page.focus("#lambda")
    explorer.drawn(lambda: page.keyboard.press("ArrowRight"))
    assert float(page.input_value("#lambda-number")) > 2.5
    explorer.drawn(lambda: drag(page, "#lambda", 0.7, 0.1))
    assert page.input_value("#lambda-number").startswith("−")
    explorer.drawn(lambda: page.fill("#lambda-number", "0"))
    assert "Found in the cache" in page.inner_text("#timing")


def test_a_drag_shows_the_last_lambda(explorer, service):
    """Changes while an answer is awaited are not lost."""
    page = explorer.open(FIVE)
    box = page.locator("#lambda").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for step in range(40):
        page.mouse.move(box["x"] + box["width"] * (0.5 + 0.01 * step), y)
    page.mouse.up()
    until(page, SETTLED)
    lam = float(page.input_value("#lambda-number"))
    with service.client() as client:
        expected = ask(client, five(lam))["quantities"]
    assert np.array_equal(explorer.table("loss")["excess loss"], expected["excess_loss"])


def test_the_feasible_range(explorer):
    page = explorer.open("#dims=5_5_3&task=spectrum&spectrum=3_2_1&stop=6&lambda=-1")
    assert page.inner_text("#feasible") == "Feasible: λ ≤ 0. λ > 0 needs hidden ≤ out, here 5 > 3."
    assert page.locator("#infeasible").is_visible()
    posted = []
    page.on("request", lambda request: posted.append(request.post_data or ""))
    page.fill("#lambda-number", "2")
    assert "λ = 2 is not feasible" in page.inner_text("#feasible")
    assert page.get_attribute("#lambda-number", "aria-invalid") == "true"
    drag(page, "#lambda", 0.4, 0.9)
    assert page.input_value("#lambda-number") == "0"
    explorer.drawn(lambda: page.fill("#dims", "3-5-5"))
    assert "λ < 0 needs hidden ≤ in, here 5 > 3" in page.inner_text("#feasible")
    explorer.drawn(lambda: page.fill("#dims", "3-5-4"))
    assert any('"lambda":0' in body for body in posted)
    assert not any('"lambda":2' in body for body in posted)
    assert page.inner_text("#feasible").startswith("Feasible: λ = 0 only.")


def test_playing_and_dragging_time(explorer):
    page = explorer.open(FIVE)
    assert abs(at(page) - 3) < 0.02
    assert abs(place_of_cursor(page) - 0.5) < 0.01
    page.click("#play")
    stop_after(page, 3.5)
    stopped = at(page)
    assert stopped > 3.5
    assert abs(place_of_cursor(page, "alignment") - stopped / 6) < 0.01
    start = place_of_cursor(page)
    drag(page, "#picture-loss .u-over", start, 0.25)
    assert abs(at(page) - 1.5) < 0.05
    page.locator("#picture-kernel .u-over").click(position={"x": 20, "y": 40})
    assert at(page) < 0.6
    page.focus("#picture-loss .plot")
    before = at(page)
    page.keyboard.press("ArrowRight")
    assert at(page) > before
    assert page.locator("#tooltip").is_visible()
    assert "excess loss" in page.get_attribute("#picture-loss .plot", "aria-valuetext")


def test_playing_ends_at_the_last_time_and_restarts(explorer):
    page = explorer.open(FIVE.replace("time=3", "time=5.9"))
    page.click("#play")
    until(page, "document.getElementById('play').getAttribute('aria-label') === 'Play'")
    assert at(page) == 6
    page.click("#play")
    stop_after(page, 0)
    assert at(page) < 3


def test_hover_and_zoom(explorer):
    page = explorer.open(FIVE)
    values = explorer.table("singular-values")
    box = page.locator("#picture-singular-values .u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    page.locator("#tooltip").wait_for()
    title, *tip = [text for text in page.inner_text("#tooltip").split("\n") if text]
    time = float(title.removeprefix("t = "))
    assert abs(time - 3) < 0.05
    index = int(np.argmin(np.abs(values["t"] - time)))
    assert tip[:3] == ["learned", "target", "mode 1"]
    assert float(tip[3]) == pytest.approx(values["learned 1"][index], rel=1e-3)
    assert float(tip[4]) == values["target 1"][index]
    drag(page, "#picture-loss .u-over", 0.4, 0.6, 0.3)
    assert abs(place_of_cursor(page, "kernel") - 0.5) < 0.03
    page.click("#time")  # the middle of the slider: the cursor stays in sight
    page.focus("#picture-loss .plot")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert place_of_cursor(page, "kernel") > 0.6
    page.click("#zoom-reset")
    assert place_of_cursor(page, "kernel") < 0.6
    page.click("#zoom-in")
    page.click("#zoom-in")
    assert page.is_enabled("#zoom-reset")
    page.locator("#picture-loss .u-over").dblclick(position={"x": 50, "y": 80})
    assert page.is_disabled("#zoom-reset")


def test_entries_of_the_matrix(explorer):
    page = explorer.open(FIVE)
    box = page.locator("canvas.map").bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + box["height"] - 3)
    page.locator("#tooltip").wait_for()
    assert page.inner_text("#tooltip").startswith("W₂W₁, network function")
    assert "output 5, input 1" in page.inner_text("#tooltip")
    page.focus("canvas.map")
    page.keyboard.press("ArrowUp")
    assert "output 4, input 1" in page.inner_text("#tooltip")


def test_a_link_reproduces_the_screen(explorer):
    page = explorer.open(FIVE)
    explorer.drawn(lambda: page.fill("#lambda-number", "-3.25"))
    explorer.drawn(lambda: page.fill("#seed", "8"))
    page.locator("#picture-loss .u-over").click(position={"x": 60, "y": 40})
    page.click("#share")
    address = page.evaluate("navigator.clipboard.readText()")
    time = page.inner_text("#time-value")
    table = explorer.table("loss")
    other = explorer.another(address)
    assert other.inner_text("#time-value") == time
    assert other.input_value("#lambda-number") == "−3.25"
    assert "Found in the cache" in other.inner_text("#timing")
    page.close()
    explorer.page = other
    assert np.array_equal(explorer.table("loss")["excess loss"], table["excess loss"])


def test_training_over_the_exact_solution(explorer, service):
    page = explorer.open(FIVE)
    page.check("#descent")
    until(page, "document.getElementById('descent-note').textContent.includes('%')")
    table = explorer.table("loss")
    method = {"kind": "descent", "learning_rate": 0.01}
    with service.client() as client:
        expected = ask(client, five(method=method, quantities=["excess_loss"]))["quantities"]["excess_loss"]
    assert np.array_equal(table["simulated"], expected)
    deviation = np.max(np.abs(expected - table["excess loss"])) / table["excess loss"][0]
    said = float(page.inner_text("#descent-note").split("at most ")[1].split(" %")[0])
    assert said == pytest.approx(100 * deviation, rel=0.06)
    explorer.screenshot("explorer-simulated")
    page.route(
        "**/v1/trajectories", lambda route: route.abort() if "descent" in route.request.post_data else route.continue_()
    )
    explorer.drawn(lambda: page.fill("#lambda-number", "1"))
    assert "simulated" not in explorer.table("loss")  # the training of another lambda is not laid over this one
    page.unroute("**/v1/trajectories")
    explorer.errors.clear()
    page.uncheck("#descent")
    assert "simulated" not in explorer.table("loss")


@pytest.mark.parametrize("task", ["semantic", "regression", "spectrum"])
@pytest.mark.parametrize("spacing", ["linear", "log"])
def test_tasks_and_spacings(explorer, task, spacing):
    page = explorer.open("#dims=8_6_8&scale=0.1&lambda=-0.5")
    page.select_option("#task", task)
    page.select_option("#spacing", spacing)
    until(page, SETTLED)
    times = explorer.table("loss")["t"]
    assert times[-1] == float(page.input_value("#stop"))
    ratios = times[1:] / times[:-1] if spacing == "log" else np.diff(times)
    assert np.allclose(ratios, ratios[-1])


def test_random_and_deep_networks(explorer):
    page = explorer.open("#dims=4_3_5&task=spectrum&spectrum=2_1&stop=4")
    explorer.drawn(lambda: page.select_option("#network", "random"))
    assert page.inner_text("#words").startswith("Integrated — computed step by step in time")
    explorer.drawn(lambda: page.fill("#dims", "4-6-3-5"))
    assert "QQᵀ is defined for two layers; this network has more." in page.inner_text("#picture-representation")


def test_the_matrix_of_wide_networks_is_of_the_time_of_the_cursor(explorer, service):
    page = explorer.open("#dims=60_40_60&task=spectrum&lambda=1&stop=4&time=2&scale=0.1&seed=3")
    until(page, "document.querySelector('canvas.map').getAttribute('aria-label').includes('120 rows')")
    matrix = explorer.matrix("representation")
    network = {"kind": "balanced", "dims": [60, 40, 60], "lambda": 1, "scale": 0.1, "seed": 3}
    time = explorer.table("loss")["t"]
    time = float(time[np.argmin(np.abs(time - 2))])
    with service.client() as client:
        expected = ask(client, five(network=network, times=[time], quantities=["qqt"]))["quantities"]["qqt"]
    assert np.allclose(matrix, expected[0], rtol=0, atol=1e-13)


def test_forgetting_is_that_of_the_api(explorer, service):
    page = explorer.open(f"{FIVE}&lambda=1&forgetting=true")
    until(page, "document.getElementById('forgetting-words').textContent !== ''")
    tasks = [{"kind": "spectrum", "singular_values": [5, 4, 3, 2, 1], "seed": seed} for seed in (1, 3)]
    body = {"network": five(1.0)["network"], "tasks": [{"task": task, "duration": 6} for task in tasks], "num": 200}
    with service.client() as client:
        expected = client.post("/v1/continual", json=body).json()
    table = explorer.table("forgetting")
    assert np.allclose(table["first task"], expected["loss"][0], rtol=1e-9, atol=1e-12)
    assert np.allclose(table["second task"], expected["loss"][1], rtol=1e-9, atol=1e-12)
