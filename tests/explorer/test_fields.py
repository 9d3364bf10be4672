"""Fields show the values of the pictures or are marked as invalid; each error is shown once."""

import pytest
from support.browser import Explorer, until

NARROW = "#dims=10_5_3&task=spectrum&spectrum=3_2_1&stop=6"
REGRESSION = "#dims=5_5_5&task=regression&samples=20&spacing=log&start=0.1&descent=true&stop=3&forgetting=true"
RANDOM = "#network=random&dims=4_5_2&task=spectrum&spectrum=1&stop=2"
REFUSED = "!document.getElementById('problem').hidden"


@pytest.fixture
def explorer(reloaded):
    return reloaded


@pytest.fixture
def troubled(service, browser):
    """A page whose console may have errors of refused requests."""
    page = Explorer(browser, service.url)
    yield page
    page.close()
    assert [error for error in page.errors if "Failed to load resource" not in error] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2", "λ = 2 is not feasible. Feasible: λ ≤ 0."),
        ("abc", "λ is a number"),
        ("", "λ is a number"),
        ("1e999", "λ is a"),
    ],
)
@pytest.mark.parametrize("key", ["Enter", "Tab"])
def test_a_lambda_that_is_not_computed_stays_marked(explorer, text, said, key):
    page = explorer.open(NARROW)
    before = explorer.table("loss")["excess loss"]
    page.fill("#lambda-number", text)
    page.press("#lambda-number", key)
    assert page.input_value("#lambda-number") == text
    assert page.get_attribute("#lambda-number", "aria-invalid") == "true"
    assert page.inner_text("#feasible").startswith(said)
    assert page.get_attribute("#feasible", "class") == "note wrong"
    assert float(page.input_value("#lambda")) == 0
    assert (explorer.table("loss")["excess loss"] == before).all()
    explorer.drawn(lambda: page.fill("#scale", "0.02"))
    assert page.input_value("#lambda-number") == "0"
    assert page.get_attribute("#lambda-number", "aria-invalid") is None
    assert page.inner_text("#feasible").startswith("Feasible: λ ≤ 0.")


def test_a_lambda_that_is_computed_is_shown_as_it_is(explorer):
    page = explorer.open(NARROW)
    page.fill("#lambda-number", "2")
    explorer.drawn(lambda: page.fill("#lambda-number", "-2,50"))
    page.press("#lambda-number", "Enter")
    assert page.input_value("#lambda-number") == "−2.5"
    assert page.get_attribute("#lambda-number", "aria-invalid") is None
    page.fill("#lambda-number", "2")
    page.focus("#lambda")
    explorer.drawn(lambda: page.keyboard.press("ArrowLeft"))
    assert float(page.input_value("#lambda-number").replace("−", "-")) < -2.5
    assert page.get_attribute("#lambda-number", "aria-invalid") is None


def test_the_field_of_lambda_is_hidden_for_other_networks(explorer):
    page = explorer.open(RANDOM)
    assert page.input_value("#lambda-number") == ""
    explorer.drawn(lambda: page.select_option("#network", "balanced"))
    assert page.input_value("#lambda-number") == "0"


@pytest.mark.parametrize(
    ("fragment", "field", "wrong", "said"),
    [
        (NARROW, "dims", "10-5", "three widths"),
        (NARROW, "dims", "10-5-3.5", "three widths"),
        (NARROW, "dims", "10-5-3 x", "three widths"),
        (NARROW, "dims", "-10-5-3", "three widths"),
        (RANDOM, "dims", "4.5-5-2", "3 to 9 widths"),
        (NARROW, "scale", "0", "a number above 0"),
        (NARROW, "scale", "much", "a number above 0"),
        (NARROW, "seed", "-1", "a whole number from 0"),
        (NARROW, "seed", "1.5", "a whole number from 0"),
        (NARROW, "spectrum", "4, 3, 2, 1", "at most 3 values for widths 10-5-3"),
        (NARROW, "spectrum", "3, x", "numbers of at least 0"),
        (NARROW, "spectrum-seed", "", "a whole number from 0"),
        (NARROW, "stop", "-6", "a number above 0"),
        (NARROW, "num", "1", "a whole number from 2 to 2000"),
        (NARROW, "num", "20.5", "a whole number from 2 to 2000"),
        (RANDOM, "gain", "-1", "a number above 0"),
        (RANDOM, "random-seed", "-2", "a whole number from 0"),
        ("#levels=2&dims=4_4_4", "levels", "7", "a whole number from 1 to 6"),
        (REGRESSION, "samples", "0", "a whole number from 1"),
        (REGRESSION, "regression-seed", "-5", "a whole number from 0"),
        (REGRESSION, "start", "-1", "a number above 0"),
        (REGRESSION, "rate", "0", "a number above 0"),
        (REGRESSION, "second-seed", "2.5", "a whole number from 0"),
    ],
)
def test_every_refused_field_stays_marked(explorer, fragment, field, wrong, said):
    page = explorer.open(fragment)
    before = page.input_value(f"#{field}")
    page.fill(f"#{field}", wrong)
    page.press(f"#{field}", "Enter")
    page.press(f"#{field}", "Tab")
    assert page.input_value(f"#{field}") == wrong
    assert page.get_attribute(f"#{field}", "aria-invalid") == "true"
    assert said in page.inner_text(f"#{field}-problem")
    page.click("#aligned" if fragment == NARROW else "#descent")
    until(page, f"document.getElementById('{field}').value === '{before}'")
    assert page.locator(f"#{field}-problem").count() == 0


@pytest.mark.parametrize(
    ("field", "text", "shown"),
    [("dims", "10 6 3", "10-6-3"), ("spectrum", "2,5; 1", "2.5, 1"), ("scale", "0,050", "0.05"), ("stop", "1e1", "10")],
)
def test_leaving_a_field_restores_the_computed_value(explorer, field, text, shown):
    page = explorer.open(NARROW)
    explorer.drawn(lambda: page.fill(f"#{field}", text))
    page.press(f"#{field}", "Enter")
    assert page.input_value(f"#{field}") == shown


def test_widths_and_targets_that_do_not_fit_the_data(explorer):
    page = explorer.open()
    page.select_option("#task", "data")
    explorer.drawn(lambda: page.fill("#data-text", "1,2,3,4\n2,5,1,3\n5,1,2,7"))
    page.fill("#dims", "7-2-1")
    assert "expected 3-…-1" in page.inner_text("#dims-problem")
    explorer.drawn(lambda: page.fill("#dims", "3-2-1"))
    assert page.locator("#dims-problem").count() == 0
    page.fill("#targets", "4")
    page.press("#targets", "Enter")
    assert page.input_value("#targets") == "4"
    assert page.inner_text("#targets-problem") == "expected a whole number from 1 to 3"
    assert page.inner_text("#data-note") == "pasted: 3 samples, 3 inputs, 1 target"
    explorer.drawn(lambda: page.fill("#targets", "2"))
    assert page.locator("#targets-problem").count() == 0
    assert page.inner_text("#data-note") == "pasted: 3 samples, 2 inputs, 2 targets"


def test_starting_over_clears_refused_values(explorer):
    page = explorer.open()
    page.fill("#lambda-number", "abc")
    page.fill("#dims", "5-x")
    page.fill("#stop", "-1")
    page.click("#reset")
    for field, value in (("lambda-number", "0"), ("dims", "8-8-8"), ("stop", "60")):
        assert page.input_value(f"#{field}") == value
        assert page.get_attribute(f"#{field}", "aria-invalid") is None


@pytest.mark.parametrize(("field", "value"), [("points", "11.5"), ("seeds", "1.5"), ("points", ""), ("seeds", "51")])
def test_a_sweep_uses_the_displayed_values(explorer, field, value):
    page = explorer.open(f"{NARROW}&sweep=true")
    page.fill(f"#sweep-{field}", value)
    page.click("#sweep-run")
    until(page, "!document.getElementById('sweep-problem').hidden")
    assert "2 to 400 points and 1 to 50 seeds" in page.inner_text("#sweep-problem")
    assert not any(url.endswith("/v1/sweeps") for url in explorer.requests)


@pytest.mark.parametrize(
    ("field", "value", "element", "message", "reference"),
    [
        ("scale", "1e-80", "scale-problem", "got 10⁻⁸⁰, expected at least 10⁻⁷⁰", "See “Scale”."),
        ("lambda-number", "1e80", "feasible", "got 10⁸⁰, expected at most 10⁷⁰", "See λ."),
    ],
)
def test_a_refusal_of_the_service_is_shown_once(troubled, field, value, element, message, reference):
    page = troubled.open("#dims=5_5_5&task=spectrum&stop=4")
    page.fill(f"#{field}", value)
    until(page, REFUSED)
    page.press(f"#{field}", "Enter")
    assert page.inner_text("#problem") == f"The request is invalid. {reference}"
    assert page.inner_text(f"#{element}") == message
    assert page.inner_text("body").count(message) == 1
    assert page.get_attribute(f"#{field}", "aria-invalid") == "true"
    troubled.drawn(lambda: page.fill(f"#{field}", "0.5"))
    assert page.get_attribute(f"#{field}", "aria-invalid") is None


def test_the_error_of_a_refused_link_is_shown_once(troubled):
    page = troubled.open_without_pictures("#dims=5_5_3&task=spectrum&spectrum=2_1&lambda=2&scale=1e-80")
    until(page, REFUSED)
    assert page.inner_text("#problem") == "The request is invalid. See “Scale”."
    page = troubled.open_without_pictures("#dims=5_5_3&task=spectrum&spectrum=2_1&lambda=3")
    until(page, f"{REFUSED} && document.getElementById('problem').textContent.startsWith('No balanced')")
    assert page.inner_text("#problem") == "No balanced weights exist for these widths. See λ."
    assert page.inner_text("body").count("λ > 0 needs hidden ≤ out") == 1


def test_an_invalid_link_in_the_same_page(explorer):
    page = explorer.open(NARROW)
    explorer.drawn(lambda: page.evaluate("location.hash = '#lambda=much&seed=8'"))
    assert page.inner_text("#toast") == "The link has parts that cannot be read: lambda."
