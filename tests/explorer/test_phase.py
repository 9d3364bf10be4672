"""Phase diagrams: their numbers are those of the networks of the cells, which a click or Enter opens."""

import csv
import io

import numpy as np
import pytest
from support.browser import until
from support.jobs import JOB_SECONDS
from support.service import ask

GRID = "phaseGrid=-4_4_5_0.05_0.8_3"
FIVE = f"#dims=5_5_5&task=spectrum&scale=0.1&seed=7&stop=6&phase=true&{GRID}"
STATUS = "document.querySelector('#phase-progress span').textContent"
DONE = f"{STATUS}.includes('done')"
CELLS = "#picture-phase [role=gridcell]"


def run(page, what="ntk_movement"):
    page.select_option("#phase-what", what)
    page.click("#phase-run")
    until(page, DONE, JOB_SECONDS)
    page.locator(CELLS).first.wait_for()


def rows(explorer):
    content = explorer.download("#picture-phase .downloads button:has-text('CSV')").decode()
    return list(csv.DictReader(io.StringIO(content)))


def alone(client, lam, scale, quantity):
    """The quantity at the horizon, of the network of one cell."""
    body = {
        "network": {"kind": "balanced", "dims": [5, 5, 5], "lambda": lam, "scale": scale, "seed": 7},
        "task": {"kind": "spectrum", "singular_values": [5, 4, 3, 2, 1], "seed": 1},
        "times": [6.0],
        "quantities": [quantity],
    }
    return ask(client, body)["quantities"][quantity][0]


def test_the_numbers_are_those_of_the_networks(explorer, service):
    page = explorer.open(FIVE)
    run(page)
    found = rows(explorer)
    assert len(found) == page.locator(CELLS).count() == 15
    lambdas = list(dict.fromkeys(float(row["lambda"]) for row in found))
    scales = list(dict.fromkeys(float(row["scale"]) for row in found))
    assert np.allclose(np.cbrt(lambdas), np.linspace(np.cbrt(-4), np.cbrt(4), 5), rtol=1e-3, atol=0)
    assert lambdas[2] == 0
    assert np.allclose(scales, [0.05, 0.2, 0.8])
    with service.client() as client:
        for row in found:
            expected = alone(client, float(row["lambda"]), float(row["scale"]), "ntk_movement")
            assert np.isclose(float(row["ntk_movement"]), expected, rtol=1e-9, atol=0)
    assert page.inner_text("#phase-title") == "NTK movement at the horizon"
    picture = explorer.download("#picture-phase .downloads button:has-text('SVG')").decode()
    assert picture.count("<rect") >= 15
    assert explorer.download("#picture-phase .downloads button:has-text('PNG')").startswith(b"\x89PNG")


def test_a_click_opens_the_network_of_a_cell(explorer):
    page = explorer.open(FIVE)
    run(page, "kernel_distance")
    cell = page.locator("#picture-phase .phase-row").first.locator("[role=gridcell]").nth(3)  # the largest scale
    row = rows(explorer)[3 * 3 + 2]
    assert cell.get_attribute("aria-label").startswith("λ = 0.5, scale 0.8: ")
    explorer.drawn(cell.click)
    assert float(page.input_value("#lambda-number")) == float(row["lambda"])
    assert page.input_value("#scale") == row["scale"] == "0.8"
    assert cell.get_attribute("aria-current") == "true"
    movement = explorer.table("kernel")["NTK distance, 1 − cosine"]
    assert np.isclose(movement[-1], float(row["kernel_distance"]), rtol=1e-9, atol=0)


def test_enter_opens_the_network_of_the_focused_cell(explorer):
    page = explorer.open(FIVE)
    page.focus("#phase-run")
    page.keyboard.press("Enter")
    until(page, DONE, JOB_SECONDS)
    page.locator(CELLS).first.wait_for()
    for _ in range(4):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "gridcell"
    for key in ("ArrowRight", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    assert "λ = −0.5, scale = 0.8" in page.inner_text("#tooltip")
    explorer.drawn(lambda: page.keyboard.press("Enter"))
    assert (page.input_value("#lambda-number"), page.input_value("#scale")) == ("−0.5", "0.8")
    page.keyboard.press("Escape")
    assert page.locator("#tooltip").is_hidden()


def test_networks_without_a_value_are_hatched(explorer):
    """At λ = 0 this network ends at a saddle, and its loss never gets small."""
    page = explorer.open("#seed=5&stop=100&phase=true&phaseGrid=-2_2_3_0.01_0.1_2")
    run(page, "convergence_time")
    missing = page.locator("#picture-phase .no-value")
    assert missing.count() == 2
    assert {cell.get_attribute("aria-label") for cell in missing.all()} == {
        "λ = 0, scale 0.01: no value",
        "λ = 0, scale 0.1: no value",
    }
    assert page.inner_text("#picture-phase .notes").startswith("2 networks have no value and are hatched.")
    assert [row["convergence_time"] == "" for row in rows(explorer)] == [False, False, True, True, False, False]
    picture = explorer.download("#picture-phase .downloads button:has-text('SVG')").decode()
    assert picture.count("url(#hatch)") == 2
    assert "hatched: no value" in picture


def test_a_diagram_of_other_networks_is_named_and_leads_back_to_them(explorer):
    page = explorer.open(FIVE)
    run(page)
    assert page.locator("#phase-stale").is_hidden()
    explorer.drawn(lambda: page.fill("#seed", "8"))
    assert page.locator("#phase-stale").is_visible()
    assert page.locator("#picture-phase [aria-current]").count() == 0
    explorer.drawn(page.locator(CELLS).first.click)
    assert page.input_value("#seed") == "7"
    assert page.locator("#phase-stale").is_hidden()


def test_cancelling(explorer, service):
    page = explorer.open("#dims=60_60_60&task=spectrum&phase=true&phaseGrid=-4_4_41_0.05_0.8_31")
    page.select_option("#phase-what", "task_specificity_input")
    page.click("#phase-run")
    until(page, "!document.getElementById('phase-cancel').hidden", JOB_SECONDS)
    page.focus("#phase-cancel")
    page.keyboard.press("Enter")
    until(page, f"{STATUS}.includes('cancelled')", JOB_SECONDS)
    assert page.is_enabled("#phase-run")
    with service.client() as client:
        assert client.get("/v1/jobs").json()["jobs"][0]["state"] == "cancelled"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"lambda-from": "5"}, "expected at most “to”"),
        ({"scale-from": "0"}, "expected a number above 0, at most “to”"),
        ({"columns": "42"}, "expected a whole number from 1 to 41"),
        ({"rows": "x"}, "expected a number"),
    ],
)
def test_invalid_grids_are_not_sent(explorer, fields, said):
    page = explorer.open(FIVE)
    before = explorer.calls()
    for name, value in fields.items():
        page.fill(f"#phase-{name}", value)
    assert said in page.inner_text("#phase-form")
    page.click("#phase-run")
    assert "Correct the marked fields first." in page.inner_text("#phase-problem")
    assert explorer.calls() == before


def test_the_range_is_feasible_and_shared_by_link(explorer):
    page = explorer.open("#dims=5_5_3&task=spectrum&spectrum=3_1&stop=6&phase=true")
    assert page.input_value("#phase-lambda-to") == "0"
    page.fill("#phase-lambda-to", "1")
    assert "λ > 0 needs hidden ≤ out, here 5 > 3" in page.inner_text("#phase-form")
    page.fill("#phase-lambda-to", "-1")
    page.fill("#phase-columns", "7")
    page.select_option("#phase-what", "final_loss")
    page.click("#share")
    other = explorer.another(page.evaluate("navigator.clipboard.readText()"))
    assert other.input_value("#phase-lambda-to") == "−1"
    assert other.input_value("#phase-columns") == "7"
    assert other.input_value("#phase-what") == "final_loss"
    other.fill("#phase-columns", "1")
    assert other.inner_text("#phase-note").startswith("1 × ")
    other.close()
