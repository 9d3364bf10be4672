"""The diagram of the network, and the words about its computation and its weights."""

import itertools

import numpy as np
import pytest
from support.browser import SETTLED, until
from support.service import ask

RANDOM = {"kind": "random", "dims": [4, 9, 3], "scheme": "lecun", "gain": 1, "seed": 11}
SPECTRUM = {"kind": "spectrum", "singular_values": [2, 1], "seed": 1}
FRAGMENT = "#network=random&dims=4_9_3&task=spectrum&spectrum=2_1&stop=6&num=61&time=2"
LIMIT_BYTES = 60_000  # of the answer for one position of the slider
DIAGRAM = "#network-diagram"


def norms(service, network=RANDOM, times=(2.0,)):
    body = {"network": network, "task": SPECTRUM, "times": list(times), "quantities": ["weights"]}
    with service.client() as client:
        layers = ask(client, body)["quantities"]["weights"]
    return np.array([np.linalg.norm(np.array(layer), axis=(1, 2)) for layer in layers])


def texts(page):
    return page.locator(f"{DIAGRAM} text").all_text_contents()


def opacities(page):
    return [float(each.get_attribute("stroke-opacity")) for each in page.locator(f"{DIAGRAM} .lines").all()]


def test_the_diagram_has_the_norms_of_the_weights_at_the_cursor(explorer, service):
    page = explorer.open(FRAGMENT)
    first, second = norms(service, times=(2.0, 4.0)).T
    name = page.locator(f"{DIAGRAM} [role=img]").get_attribute("aria-label")
    assert name == f"Network 4-9-3 at t = 2. Norms of weights: W₁ {first[0]:.3g}, W₂ {first[1]:.3g}"
    assert texts(page) == [f"‖W₁‖ {first[0]:.2g}", f"‖W₂‖ {first[1]:.2g}", "in 4", "9", "out 3"]
    strong, weak = opacities(page)
    assert strong > weak
    page.fill("#time", "40")
    until(page, SETTLED)
    assert f"W₁ {second[0]:.3g}, W₂ {second[1]:.3g}" in page.locator(f"{DIAGRAM} [role=img]").get_attribute(
        "aria-label"
    )


def test_the_diagram_follows_widths_depth_and_pinned_runs(explorer):
    page = explorer.open(FRAGMENT)
    circles = page.locator(f"{DIAGRAM} svg > circle")
    assert circles.count() == 4 + 4 + 3
    assert page.locator(f"{DIAGRAM} .folded").count() == 1
    explorer.drawn(lambda: page.fill("#dims", "4-2-3-5-6-3"))
    assert circles.count() == 4 + 2 + 3 + 5 + 4 + 3
    assert texts(page) == ["in 4", "2", "3", "5", "6", "out 3"]
    assert "W₅" in page.locator(f"{DIAGRAM} [role=img]").get_attribute("aria-label")
    assert "live" not in page.inner_text(f"{DIAGRAM} figcaption")
    page.click("#pin")
    page.locator("#pins [data-ready]").wait_for()
    until(page, f"document.querySelector('{DIAGRAM} figcaption').textContent.startsWith('The live network.')")


def test_texts_of_wide_layers_are_not_cut_off(explorer):
    page = explorer.open("#network=random&dims=30_30_1500&task=spectrum&spectrum=2_1&stop=1&num=10")
    assert texts(page)[-1] == "out 1500"
    box = page.locator(f"{DIAGRAM} text").last.bounding_box()
    frame = page.locator(f"{DIAGRAM} svg").bounding_box()
    assert box["x"] + box["width"] <= frame["x"] + frame["width"]


def test_the_norms_of_small_weights_do_not_meet(explorer):
    page = explorer.open("#network=random&gain=1e-12&dims=3_3_3_3_3&task=spectrum&spectrum=2_1&stop=1&time=0&num=10")
    boxes = [each.bounding_box() for each in page.locator(f"{DIAGRAM} text").all()[:4]]
    assert texts(page)[0].startswith("‖W₁‖ ")
    assert "·10⁻¹²" in texts(page)[0]
    assert all(left["x"] + left["width"] + 4 < right["x"] for left, right in itertools.pairwise(boxes))


def test_the_diagram_of_a_deep_network_has_no_empty_row(explorer):
    """The norms of its layers are not above the lines, so neither is their place."""
    page = explorer.open("#network=random&dims=4_4_4_4_4_6&task=spectrum&spectrum=2_1&stop=4&num=20")
    frame = page.locator(f"{DIAGRAM} svg").bounding_box()
    highest = min(each.bounding_box()["y"] for each in page.locator(f"{DIAGRAM} svg > circle").all())
    assert 0 <= highest - frame["y"] < 8


def test_the_diagram_has_the_colours_of_the_theme(explorer):
    page = explorer.open(FRAGMENT)
    colour = f"getComputedStyle(document.querySelector('{DIAGRAM} .lines')).stroke"
    line = "getComputedStyle(document.querySelector('#picture-loss .legend line')).stroke"
    light = page.evaluate(colour)
    assert light == page.evaluate(line)
    page.emulate_media(color_scheme="dark")
    until(page, f"{colour} !== '{light}' && {colour} === {line}")


def test_the_text_of_the_diagram_rests_while_the_cursor_plays(explorer):
    page = explorer.open(f"{FRAGMENT}&gain=0.1")  # so that norms grow
    name = f"document.querySelector('{DIAGRAM} [role=img]').getAttribute('aria-label')"
    shown = f"[...document.querySelectorAll('{DIAGRAM} text')].map((each) => each.textContent).join()"
    before, drawn = page.evaluate(name), page.evaluate(shown)
    page.click("#play")
    until(page, f"{shown} !== '{drawn}'")
    assert page.evaluate(name) == before
    page.click("#play")
    until(page, f"{name} !== {before!r}")


def test_the_answer_for_a_move_of_the_slider_stays_small(explorer):
    page = explorer.open("#dims=8_8_8&num=200")
    sizes = []
    page.on("response", lambda reply: sizes.append(len(reply.body())) if "/v1/trajectories" in reply.url else None)
    explorer.drawn(lambda: page.fill("#lambda-number", "0.3"))
    until(page, SETTLED)
    assert sizes
    assert max(sizes) < LIMIT_BYTES


@pytest.mark.parametrize("rates", [None, [0.5, 2.0]])
def test_lambda_of_independent_weights(explorer, service, rates):
    """The value is that of the balance of the same weights; a rate divides the square of its layer."""
    page = explorer.open(FRAGMENT + ("" if rates is None else "&rates=0.5_2"))
    with service.client() as client:
        weights = client.post("/v1/initializations", json={"network": RANDOM}).json()["weights"]
        if rates is not None:
            weights = [(np.array(w) / np.sqrt(rate)).tolist() for w, rate in zip(weights, rates, strict=True)]
        expected = client.post("/v1/balance", json={"weights": weights}).json()["lambda_eff"][0]
    assert f"which is {expected:.3g} at the start" in page.inner_text("#effective-lambda")
    assert page.inner_text("#regime").endswith("independent weights")
    explorer.drawn(lambda: page.select_option("#network", "balanced"))
    assert page.locator("#effective-lambda").count() == 0


def test_the_first_words_name_no_solver(explorer):
    page = explorer.open(FRAGMENT)
    words = page.inner_text("#words")
    assert words.startswith("Integrated — computed step by step in time, because no formula covers this network;")
    for jargon in ("Taylor", "rtol", "tolerance"):
        assert jargon not in page.inner_text("main")
    page.focus("#how summary")
    page.keyboard.press("Enter")
    assert "Taylor" in page.inner_text("#how-text")


def test_the_marks_of_legends_are_pieces_of_their_lines(explorer):
    page = explorer.open(f"{FRAGMENT}&bands=true&bandSeeds=3")
    page.locator("#picture-bands-loss .legend line").first.wait_for(state="attached")
    lines = "[...document.querySelectorAll(`#picture-${id} .legend line`)]"
    dashes = f"(id) => {lines}.map((line) => line.getAttribute('stroke-dasharray'))"
    for picture in ("alignment", "singular-values", "bands-loss", "bands-values"):
        drawn = explorer.download(f"#picture-{picture} .downloads button:has-text('SVG')").decode()
        marks = page.evaluate(dashes, picture)
        assert [each for each in marks if each is not None], picture
        assert all(each is None or f'stroke-dasharray="{each}"' in drawn for each in marks), picture
    assert page.evaluate(dashes, "alignment") == ["2 4"]
