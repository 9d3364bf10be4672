"""Sweeps from the page: progress, results as from the API, cancellation, refusals and interruptions."""

import csv
import io
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
    assert np.allclose(np.cbrt(table["lambda"]), np.linspace(np.cbrt(-4), np.cbrt(4), 41), rtol=1e-3, atol=1e-3)
    with service.client() as client:
        for i in (3, 20, 40):
            body = {
                "network": {"kind": "balanced", "dims": [5] * 3, "lambda": table["lambda"][i], "scale": 0.1, "seed": 9},
                "task": {"kind": "spectrum", "singular_values": [5, 4, 3, 2, 1], "seed": 1},
                "times": [6.0],
                "quantities": ["ntk_distance", "loss"],
            }
            expected = ask(client, body)["quantities"]
            assert np.isclose(table["seed 9"][i], expected["ntk_distance"][0], rtol=1e-9, atol=0)
            before = explorer.calls()
            page.select_option("#sweep-what", "final_loss")
            assert np.isclose(explorer.table("sweep")["seed 9"][i], expected["loss"][0], rtol=1e-9, atol=0)
            assert explorer.calls() == before  # all numbers were computed at once
            page.select_option("#sweep-what", "kernel_distance")
    runs = np.array([table[f"seed {seed}"] for seed in range(7, 13)])
    for name, part in (("10 % of the seeds", 0.1), ("median", 0.5), ("90 % of the seeds", 0.9)):
        assert np.allclose(table[name], np.quantile(runs, part, axis=0), rtol=1e-12)
    assert page.inner_text("#sweep-title") == "NTK distance at the horizon"
    page.evaluate("scrollTo(0, 0)")
    explorer.screenshot("explorer-sweep", full_page=True)


def test_warnings_of_points_are_shown_below_the_picture(explorer):
    page = explorer.open(FIVE)
    run(page, what="final_loss", from_=-1, to=1, points=3)
    until(page, DONE, JOB_SECONDS)
    page.locator("#picture-sweep .u-over").wait_for()
    notes = page.inner_text("#picture-sweep")
    assert "At 3 points: The scale of the targets is not given, so the loss is the excess loss." in notes
    assert "task." not in notes


def test_a_click_selects_a_lambda(explorer):
    page = explorer.open(FIVE)
    run(page, from_=-2, to=2, points=5)
    until(page, DONE, JOB_SECONDS)
    over = page.locator("#picture-sweep .u-over")
    over.wait_for()
    over.scroll_into_view_if_needed()
    width = over.bounding_box()["width"]
    explorer.drawn(lambda: over.click(position={"x": 0.75 * width, "y": 50}))
    assert float(page.input_value("#lambda-number")) == pytest.approx(0.25, abs=0.02)  # the axis is fine near 0


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
    explorer.drawn(lambda: page.fill("#dims", "5-5-5"))
    assert page.input_value("#sweep-from") == "−20"
    page.fill("#sweep-from", "−7")
    explorer.drawn(lambda: page.fill("#dims", "6-5-5"))
    assert page.input_value("#sweep-from") == "−7"  # a range of the user's own stays while it is feasible
    explorer.drawn(lambda: page.click("#reset"))
    assert page.input_value("#sweep-from") == "−20"


def test_networks_that_never_converge_are_told(explorer):
    """Half of all rich networks with equal widths end at a saddle, those with the other sign of the determinant."""
    page = explorer.open(FIVE.replace("stop=6", "stop=40"))
    run(page, what="convergence_time", from_=-4, to=4, points=21, seeds=8)
    until(page, DONE, JOB_SECONDS)
    page.locator("#picture-sweep .u-over").wait_for()
    notes = page.inner_text("#picture-sweep")
    missing = int(re.search(r"(\d+) of 168 networks have no value", notes)[1])
    content = explorer.download("#picture-sweep .downloads button:has-text('CSV')").decode()
    names, *rows = csv.reader(io.StringIO(content))
    seeds = [i for i, name in enumerate(names) if name.startswith("seed")]
    assert missing == sum(not row[i] for row in rows for i in seeds) > 0
    for row in rows:
        times = np.sort([float(row[i] or "inf") for i in seeds])
        median = (times[3] + times[4]) / 2
        assert np.isclose(float(row[names.index("median")] or "inf"), median, rtol=1e-12)
    explorer.screenshot("explorer-sweep-saddles", full_page=True)
    edges = [names.index(f"{part} % of the seeds") for part in (90, 10)]
    complete = "".join("x" if all(row[i] for i in edges) else " " for row in rows)
    svg = explorer.download("#picture-sweep .downloads button:has-text('SVG')").decode()
    assert svg.count("fill-opacity") == len(complete.split()) > 1  # the band has a gap where its edges have one
