"""A measured curve over the loss, and its fit: numbers as from the API, and what the curve cannot tell, in words."""

import csv
import io
import re

import numpy as np
import pytest
from support.browser import until
from support.explorer_files import as_csv, choose
from support.jobs import JOB_SECONDS
from support.service import ask

TASK = {"kind": "spectrum", "singular_values": [2, 1, 0.5], "seed": 3}
THREE = "#dims=3_3_3&task=spectrum&spectrum=2_1_0.5&taskSeed=3&seed=3&scale=0.15&stop=60&fit=true"
STATUS = "document.querySelector('#fit-progress span').textContent"
DRAWN = "document.querySelector('#picture-fit:not([hidden]):not(.stale) .u-over') !== null"
FITTED = f"{STATUS}.includes('done') && !document.getElementById('fit-result').hidden && {DRAWN}"
SIGMA = 0.02


def loss(client, times, lam, tau=1.0, scale=0.15):
    """The loss of a network of this module."""
    body = {
        "network": {"kind": "balanced", "dims": [3, 3, 3], "lambda": lam, "scale": scale, "seed": 3},
        "task": TASK,
        "times": list(times),
        "time_constant": tau,
        "quantities": ["excess_loss"],
    }
    return np.array(ask(client, body)["quantities"]["excess_loss"])


def columns(explorer):
    """The numbers of the picture, NaN where a line has none."""
    content = explorer.download("#picture-fit .downloads button:has-text('CSV')").decode()
    names, *rows = csv.reader(io.StringIO(content))
    table = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])
    return dict(zip(names, table.T, strict=True))


@pytest.fixture(scope="module")
def measured(service):
    """Times, and values with known noise of a network with λ = 0.4 and τ = 7."""
    times = np.linspace(1, 60, 60)
    with service.client() as client:
        exact = loss(client, times, 0.4, 7.0)
    noise = SIGMA * np.random.default_rng(1).standard_normal(60)
    return times, exact + noise


def with_sigma(measured):
    times, values = measured
    return as_csv(np.column_stack([times, values, np.full(len(times), SIGMA)]))


def fit(page):
    page.click("#fit-run")
    until(page, FITTED, JOB_SECONDS)


def test_a_pasted_curve_lies_over_the_loss(explorer, service, measured):
    page = explorer.open(THREE)
    times, values = measured
    page.fill("#measured-text", as_csv(np.column_stack([times, values])))
    until(page, DRAWN)
    assert page.inner_text("#measured-note") == "pasted: 60 values from t = 1 to 60"
    table = columns(explorer)
    own = ~np.isnan(table["measured"])
    assert np.array_equal(table["t"][own], times)
    assert np.array_equal(table["measured"][own], values)
    with service.client() as client:
        expected = loss(client, table["t"], 0)
    assert np.array_equal(table["excess loss of this network"], expected)
    picture = explorer.download("#picture-fit .downloads button:has-text('SVG')").decode()
    assert picture.count("<circle") == 60 + 1  # one in the legend


def test_the_fit_is_that_of_the_api(explorer, service, measured):
    page = explorer.open(THREE)
    choose(page, "#measured-file", "curve.csv", f"session,error,sd\n{with_sigma(measured)}\n".encode())
    until(page, DRAWN)
    assert "with their standard deviations" in page.inner_text("#measured-note")
    fit(page)
    with service.client() as client:
        job = client.get("/v1/jobs").json()["jobs"][0]
        result = client.get(f"/v1/jobs/{job['id']}/result").json()
    assert job["kind"] == "fit"
    model = result["models"][0]
    for path, truth in (("network.lambda", 0.4), ("time_constant", 7.0)):
        cells = page.locator(f"#fit-estimates [data-path='{path}'] td").all_inner_texts()
        low, high = model["intervals"][path]
        assert low < truth < high
        assert float(cells[0]) == float(f"{model['estimates'][path]:.4g}")
        assert [float(end) for end in cells[1].split(" to ")] == [float(f"{end:.4g}") for end in (low, high)]
        assert float(cells[2]) == float(f"{model['standard_errors'][path]:.2g}")
    assert f"χ² = {model['chi2']:.4g} for {model['dof']} degrees of freedom" in page.inner_text("#fit-words")
    assert page.locator("#fit-warnings li").count() == max(1, len(model["warnings"]))
    until(page, "document.querySelector('#picture-fit .legend').textContent.includes('fitted')")
    table = columns(explorer)
    own = ~np.isnan(table["measured"])
    assert np.allclose(table["fitted"][own], model["fitted"][0], rtol=1e-6, atol=1e-9)


def test_estimates_go_into_the_controls(explorer, measured):
    page = explorer.open(THREE)
    page.fill("#measured-text", with_sigma(measured))
    until(page, DRAWN)
    fit(page)
    explorer.drawn(lambda: page.click("#fit-use"))
    assert 0.2 < float(page.input_value("#lambda-number")) < 0.8
    assert 5 < float(page.input_value("#tau")) < 9
    assert page.locator("#fit-stale").is_hidden()
    until(page, DRAWN)
    table = columns(explorer)
    assert np.allclose(table["excess loss of this network"], table["fitted"], rtol=1e-3, atol=1e-6)
    explorer.drawn(lambda: page.fill("#seed", "4"))
    assert page.locator("#fit-stale").is_visible()
    assert page.is_disabled("#fit-use")


def test_what_the_curve_cannot_tell_is_said_in_words(explorer, service):
    """Of a lazy network, a curve determines only the ratio of λ and τ."""
    times = np.linspace(0.2, 12, 60)
    with service.client() as client:
        exact = loss(client, times, 30.0, 60.0)
    values = exact + SIGMA * np.random.default_rng(0).standard_normal(60)
    page = explorer.open(f"{THREE}&fitBounds=0.01_100_0.001_3_0.05_5_0.5_300")
    page.fill("#measured-text", as_csv(np.column_stack([times, values, np.full(60, SIGMA)])))
    until(page, DRAWN)
    fit(page)
    words = page.inner_text("#fit-warnings")
    assert "The observations do not determine" in words
    assert "they determine only the ratio" in words
    assert "λ" in words
    assert "network.lambda" not in words


def test_the_fit_by_keyboard_and_by_link(explorer, measured):
    page = explorer.open(THREE)
    page.focus("#measured-text")
    page.keyboard.insert_text(with_sigma(measured))
    until(page, DRAWN)
    page.focus("#fit-free-scale")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("0.02")
    page.click("#share")
    other = explorer.another(page.evaluate("navigator.clipboard.readText()"))
    until(other, DRAWN)
    assert other.is_checked("#fit-free-scale")
    assert other.input_value("#fit-scale-from") == "0.02"
    assert "60 values from t = 1 to 60" in other.inner_text("#measured-note")
    other.close()
    page.focus("#fit-run")
    page.keyboard.press("Enter")
    until(page, FITTED, JOB_SECONDS)
    assert page.locator("#fit-estimates tr").count() == 3
    page.focus("#fit-use")
    explorer.drawn(lambda: page.keyboard.press("Enter"))
    assert page.input_value("#scale") != "0.15"


def test_cancelling(explorer, measured):
    page = explorer.open(THREE.replace("dims=3_3_3", "network=random&dims=30_40_40_30"))
    page.fill("#measured-text", with_sigma(measured))
    until(page, DRAWN)
    page.click("#fit-run")
    until(page, "!document.getElementById('fit-cancel').hidden", JOB_SECONDS)
    page.click("#fit-cancel")
    until(page, f"{STATUS}.includes('cancelled')", JOB_SECONDS)
    assert page.is_enabled("#fit-run")


UNREADABLE = [
    ("1\n2\n3\n", "it has one column"),
    ("1,2,3,4\n5,6,7,8\n", "it has 4 columns: expected time, value"),
    ("0,1\n1,x\n", "row 2, column 2 is not a number: “x”"),
    ("-1,1\n1,0.5\n", "row 1 has the time -1: expected times of at least 0"),
    ("0,1,0.1\n1,0.5,0\n", "row 2 has the standard deviation 0: expected a number above 0"),
]


def test_unreadable_curves_are_refused(explorer, subtests):
    page = explorer.open(THREE)
    page.fill("#measured-text", "0,1\n1,0.5\n")
    until(page, DRAWN)
    for text, said in UNREADABLE:
        with subtests.test(said):
            page.fill("#measured-text", text)
            note = page.inner_text("#measured-note")
            assert said in note
            assert "Still in use: pasted: 2 values" in note
            assert page.get_attribute("#measured-text", "aria-invalid") == "true"
    page.fill("#measured-text", "1,0.5\n0,1\n")
    assert "put in the order of their times" in page.inner_text("#measured-note")
    page.click("#measured-remove")
    assert page.locator("#picture-fit").is_hidden()
    assert page.is_disabled("#fit-run")


def test_a_fit_needs_something_free(explorer):
    page = explorer.open(f"{THREE}&fitFree=none")
    page.fill("#measured-text", "0,1\n1,0.5\n2,0.4\n")
    until(page, DRAWN)
    before = explorer.calls()
    page.click("#fit-run")
    assert "Select at least one number" in page.inner_text("#fit-problem")
    page.check("#fit-free-tau")
    page.fill("#fit-tau-from", "200")
    assert "expected a lower bound below the upper one" in page.inner_text("#fit-form")
    page.click("#fit-run")
    assert "Correct the marked bounds first." in page.inner_text("#fit-problem")
    assert explorer.calls() == before


def test_starting_over_discards_the_curve_and_what_was_refused(explorer):
    page = explorer.open(THREE)
    page.fill("#measured-text", "0,1\n1,0.5\n")
    until(page, DRAWN)
    page.fill("#measured-text", "0,1\n1,x\n")
    page.fill("#fit-tau-from", "-3")
    page.click("#reset")
    assert page.input_value("#measured-text") == ""
    assert page.inner_text("#measured-note") == ""
    assert page.get_attribute("#measured-text", "aria-invalid") is None
    page.click("#fit-panel summary")
    assert page.input_value("#fit-tau-from") == "0.1"
    assert page.locator("#picture-fit").is_hidden()
    assert page.is_visible("#fit-missing")


def test_a_curve_that_no_network_describes_is_told(explorer):
    page = explorer.open(f"{THREE}&fitFree=tau")
    page.fill("#measured-text", "0,2.6,0.01\n10,0.5,0.01\n20,2.0,0.01\n30,0.1,0.01\n")
    until(page, DRAWN)
    fit(page)
    assert "no such network describes the curve" in page.inner_text("#fit-words")


def test_the_time_constant_of_the_page_is_that_of_its_curves(explorer, service):
    page = explorer.open(THREE.replace("&fit=true", "&lambda=0.4"))
    explorer.drawn(lambda: page.fill("#tau", "7"))
    shown = explorer.table("loss")
    with service.client() as client:
        assert np.allclose(shown["excess loss"], loss(client, shown["t"], 0.4, 7.0), rtol=1e-12, atol=0)


def test_notes_on_a_curve_are_sentences(explorer):
    page = explorer.open(THREE)
    page.fill("#measured-text", "2;0,5\n1;1,5\n3;0,1")
    until(page, DRAWN)
    assert page.inner_text("#measured-note") == (
        "pasted: 3 values from t = 1 to 3. Commas are read as decimal marks. "
        "Its rows were put in the order of their times."
    )
    page.fill("#measured-text", "2, 0.5")
    assert page.inner_text("#measured-note") == "pasted: 1 value at t = 2"


def test_numbers_in_the_warnings_of_a_fit_are_typeset(explorer):
    page = explorer.open(THREE)
    page.fill("#measured-text", "1, 2.6\n5, 2.5\n20, 1.1\n40, 0.2")
    until(page, DRAWN)
    fit(page)
    warnings = page.inner_text("#fit-warnings")
    assert re.search(r"sign of λ: with −?\d", warnings)
    assert not re.search(r"\de[+-]\d|(?<!\w)-\d", warnings)
