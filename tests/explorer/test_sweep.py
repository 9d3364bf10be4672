"""Sweeps from the page: progress, results as from the API, cancellation, refusals and interruptions."""

import re

import numpy as np
import pytest
from support.browser import until
from support.jobs import JOB_SECONDS
from support.service import ask

FIVE = "#dims=5_5_5&task=spectrum&scale=0.1&seed=7&stop=6&sweep=true"
PROGRESS = "document.querySelector('#sweep-progress span').textContent"
DONE = f"{PROGRESS}.includes('done')"
ENDLESS = {"points": 400, "seeds": 50}


def run(page, what="kernel_distance", **fields):
    page.select_option("#sweep-what", what)
    for name, value in fields.items():
        page.fill(f"#sweep-{name.rstrip('_')}", str(value))
    page.click("#sweep-run")


def progress(page):
    """Numbers of computed and of all points."""
    found = re.search(r"(\d+) of (\d+)", page.inner_text("#sweep-progress"))
    return (0, 0) if found is None else (int(found[1]), int(found[2]))


def test_progress(explorer):
    page = explorer.open(FIVE.replace("5_5_5", "40_40_40"))
    run(page, from_=-4, to=4, **ENDLESS)
    partial = set()
    while len(partial) < 2:
        done, total = progress(page)
        assert total in (0, 20_000)
        assert done < 20_000
        partial |= {done} - {0}
        page.wait_for_timeout(20)
    page.click("#sweep-cancel")
    until(page, f"{PROGRESS}.includes('cancelled')", JOB_SECONDS)


def test_the_result_is_that_of_the_api(explorer, service):
    page = explorer.open(FIVE)
    run(page, from_=-4, to=4, points=41, seeds=6)
    until(page, DONE, JOB_SECONDS)
    page.locator("#picture-sweep .u-over").wait_for()
    table = explorer.table("sweep")
    assert np.allclose(table["lambda"], np.linspace(-4, 4, 41))
    with service.client() as client:
        for i, lam in ((3, -3.4), (40, 4.0)):
            body = {
                "network": {"kind": "balanced", "dims": [5, 5, 5], "lambda": lam, "scale": 0.1, "seed": 9},
                "task": {"kind": "spectrum", "singular_values": [5, 4, 3, 2, 1], "seed": 1},
                "times": [6.0],
                "quantities": ["ntk_distance"],
            }
            expected = ask(client, body)["quantities"]["ntk_distance"][0]
            assert np.isclose(table["seed 9"][i], expected, rtol=1e-9, atol=0)
    runs = np.array([table[f"seed {seed}"] for seed in range(7, 13)])
    assert np.allclose(table["mean"], np.mean(runs, axis=0))
    assert page.inner_text("#sweep-title") == "NTK distance at the horizon"
    page.evaluate("scrollTo(0, 0)")
    explorer.screenshot("explorer-sweep", full_page=True)


def test_warnings_of_points_are_shown_below_the_picture(explorer):
    page = explorer.open(FIVE)
    run(page, what="final_loss", from_=-1, to=1, points=3)
    until(page, DONE, JOB_SECONDS)
    page.locator("#picture-sweep .u-over").wait_for()
    notes = page.inner_text("#picture-sweep")
    assert "3 points, irreducible-loss-unknown: the targets' scale is not given" in notes


def test_a_click_selects_a_lambda(explorer):
    page = explorer.open(FIVE)
    run(page, from_=-2, to=2, points=5)
    until(page, DONE, JOB_SECONDS)
    over = page.locator("#picture-sweep .u-over")
    over.wait_for()
    over.scroll_into_view_if_needed()
    width = over.bounding_box()["width"]
    explorer.drawn(lambda: over.click(position={"x": 0.75 * width, "y": 50}))
    assert float(page.input_value("#lambda-number")) == pytest.approx(1.0, abs=0.02)


def test_cancelling(explorer, service):
    page = explorer.open(FIVE.replace("5_5_5", "60_60_60"))
    run(page, what="final_loss", from_=-4, to=4, **ENDLESS)
    until(page, "!document.getElementById('sweep-cancel').hidden", JOB_SECONDS)
    page.click("#sweep-cancel")
    until(page, "document.getElementById('sweep-progress').textContent.includes('cancelled')", JOB_SECONDS)
    assert page.is_enabled("#sweep-run")
    with service.client() as client:
        assert client.get("/v1/jobs").json()["jobs"][0]["state"] == "cancelled"


def test_invalid_sweeps_are_not_sent(explorer):
    page = explorer.open(FIVE)
    before = len(explorer.requests)
    run(page, from_=3, to=1, points=5)
    assert "“to” above “from”" in page.inner_text("#sweep-problem")
    assert len(explorer.requests) == before


def test_the_range_is_feasible(explorer):
    page = explorer.open("#dims=5_5_3&task=spectrum&spectrum=3_1&stop=6&sweep=true")
    assert page.input_value("#sweep-to") == "0"
    explorer.drawn(lambda: page.fill("#dims", "3-5-5"))
    assert page.input_value("#sweep-from") == "0"
    assert page.input_value("#sweep-to") == "20"
