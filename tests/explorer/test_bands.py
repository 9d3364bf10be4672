"""Bands over seeds: their numbers are statistics of the networks of these seeds; they follow the page."""

import json

import numpy as np
import pytest
from support.browser import Explorer, until
from support.service import ask

SEEDS = range(7, 19)
FIVE = "#dims=5_5_5&task=spectrum&scale=0.1&seed=7&stop=6"
BANDS = f"{FIVE}&bands=true&bandSeeds=12"
WORDS = "document.getElementById('bands-words').textContent"
CURRENT = (
    f"{WORDS}.includes('networks with the seeds') && "
    "document.querySelectorAll('#bands-pictures .picture.stale').length === 0"
)


@pytest.fixture
def explorer(reloaded):
    return reloaded


def five(seed, lam=0.0):
    return {
        "network": {"kind": "balanced", "dims": [5, 5, 5], "lambda": lam, "scale": 0.1, "seed": seed},
        "task": {"kind": "spectrum", "singular_values": [5, 4, 3, 2, 1], "seed": 1},
        "times": {"stop": 6, "num": 200},
        "quantities": ["excess_loss", "singular_values"],
    }


def test_bands_are_quantiles_of_the_networks_of_all_seeds(explorer, service):
    page = explorer.open(BANDS)
    until(page, CURRENT)
    loss, values = explorer.table("bands-loss"), explorer.table("bands-values")
    with service.client() as client:
        answers = [ask(client, five(seed)) for seed in SEEDS]
        ensemble = client.post(
            "/v1/ensembles", json={"base": five(7), "replicates": 12, "first_seed": 7, "quantiles": [0.1, 0.5, 0.9]}
        ).json()
    losses = np.array([answer["quantities"]["excess_loss"] for answer in answers])
    strengths = np.array([answer["quantities"]["singular_values"] for answer in answers])
    of_api = np.array(ensemble["quantities"]["excess_loss"]["quantiles"])
    for i, (label, level) in enumerate([("10 %", 0.1), ("median", 0.5), ("90 %", 0.9)]):
        assert np.array_equal(loss[label], of_api[i])
        assert np.allclose(loss[label], np.quantile(losses, level, axis=0), rtol=1e-9, atol=0)
        for mode in range(5):
            expected = np.quantile(strengths[:, :, mode], level, axis=0)
            assert np.allclose(values[f"{mode + 1}, {label}"], expected, rtol=1e-9, atol=1e-12)
    assert np.array_equal(loss["this network, seed 7"], losses[0])
    saddles = sum(any(each["code"] == "saddle" for each in answer["warnings"]) for answer in answers)
    assert 0 < saddles < 12
    words = page.inner_text("#bands-words")
    assert words.startswith("12 networks with the seeds 7 to 18.")
    assert f"{saddles} of them end" in words


def test_bands_follow_the_page(explorer):
    page = explorer.open(BANDS)
    until(page, CURRENT)
    before = explorer.table("bands-loss")["median"]
    explorer.drawn(lambda: page.fill("#lambda-number", "3"))
    until(page, CURRENT)
    after = explorer.table("bands-loss")["median"]
    assert not np.array_equal(before, after)
    page.fill("#bands-seeds", "20")
    until(page, f"{WORDS}.startsWith('20 networks') && {CURRENT}")
    assert page.inner_text("#bands-words").startswith("20 networks with the seeds 7 to 26. None of them ends")


def test_random_networks_have_the_limit_of_wide_layers(explorer, service):
    page = explorer.open("#network=random&dims=4_6_3&task=spectrum&spectrum=3_2&stop=4&num=50&bands=true&bandSeeds=5")
    until(page, CURRENT)
    body = {
        "network": {"kind": "random", "dims": [4, 6, 3], "scheme": "lecun", "gain": 1, "seed": 11},
        "task": {"kind": "spectrum", "singular_values": [3, 2], "seed": 1},
        "times": {"stop": 4, "num": 50},
        "quantities": ["excess_loss"],
    }
    with service.client() as client:
        answer = client.post("/v1/ensembles", json={"base": body, "replicates": 5, "first_seed": 11}).json()
    loss = explorer.table("bands-loss")
    assert np.array_equal(loss["wide limit"], answer["wide"]["excess_loss"])
    assert np.allclose(loss["median"], answer["quantities"]["excess_loss"]["quantiles"][1], rtol=1e-12, atol=0)
    assert answer["methods"] == {"flow": 5}
    assert "Whether they end at a saddle is known only of networks with a closed form." in page.inner_text(
        "#bands-words"
    )


def test_bands_by_keyboard_and_by_link(explorer):
    page = explorer.open(FIVE)
    assert not [url for url in explorer.requests if url.endswith("/v1/ensembles")]
    page.focus("#bands-panel summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "bands-seeds"
    page.keyboard.press("Control+a")
    page.keyboard.type("6")
    until(page, f"{WORDS}.startsWith('6 networks') && {CURRENT}")
    page.focus("#picture-bands-loss .plot")
    before = page.inner_text("#time-value")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#time-value") != before
    assert "median" in page.inner_text("#tooltip")
    assert "median" in page.get_attribute("#picture-bands-loss .plot", "aria-valuetext")
    page.click("#share")
    other = explorer.another(page.evaluate("navigator.clipboard.readText()"))
    until(other, f"{WORDS}.startsWith('6 networks') && {CURRENT}")
    other.close()


def test_invalid_numbers_of_seeds_are_not_sent(explorer):
    page = explorer.open(BANDS)
    until(page, CURRENT)
    before = explorer.calls()
    for text in ("1", "2.5", "1001", "many", ""):
        page.fill("#bands-seeds", text)
        assert page.get_attribute("#bands-seeds", "aria-invalid") == "true"
    assert explorer.calls() == before


def test_own_weights_have_no_seeds(explorer):
    page = explorer.open(BANDS)
    until(page, CURRENT)
    page.select_option("#network", "weights")
    text = json.dumps([[[0.3, 0], [0, 0.3]], [[0.3, 0], [0, 0.3]]])
    explorer.drawn(lambda: page.fill("#weights-text", text))
    assert page.inner_text("#bands-words").startswith("Your own weights are not drawn from a seed.")
    assert page.locator("#picture-bands-loss").is_hidden()


def test_saved_pictures_have_the_band(explorer):
    page = explorer.open(BANDS)
    until(page, CURRENT)
    picture = explorer.download("#picture-bands-loss .downloads button:has-text('SVG')").decode()
    assert picture.count("fill-opacity") == 1
    assert "12 networks with the seeds 7 to 18" in picture
    assert explorer.download("#picture-bands-values .downloads button:has-text('PNG')").startswith(b"\x89PNG")


def test_an_ensemble_that_is_too_large_is_refused_once(service, browser):
    explorer = Explorer(browser, service.url)
    page = explorer.open("#network=random&dims=60_60_60&task=spectrum&stop=6&bandSeeds=1000")
    page.click("#bands-panel summary")
    until(page, "!document.getElementById('bands-problem').hidden")
    assert "sweep" in page.inner_text("#bands-problem")
    assert page.inner_text("#bands-words") == ""
    page.fill("#bands-seeds", "x")
    assert sum(url.endswith("/v1/ensembles") for url in explorer.requests) == 1
    explorer.close()
    assert [error for error in explorer.errors if "422" not in error] == []
