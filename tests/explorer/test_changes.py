"""What the page says while it computes, what changes with a change, and the horizon that fits the learning."""

import numpy as np
import pytest
from support.browser import SETTLED, hold_requests, until, wait_for_one
from support.service import ask

FIVE = "#dims=5_5_5&task=spectrum&scale=0.1&seed=7&stop=6&time=3"
DIMMED = "getComputedStyle(document.querySelector('#picture-loss .uplot')).opacity < 1"


def parts(page):
    """The parts of the link to the page."""
    page.click("#share")
    return set(page.evaluate("navigator.clipboard.readText()").partition("#")[2].split("&"))


def test_pictures_of_an_earlier_run_are_dimmed_and_named(explorer):
    page = explorer.open(FIVE)
    assert not page.evaluate(DIMMED)
    kept = hold_requests(page, '"lambda":3', limit=1)
    page.fill("#lambda-number", "3")
    wait_for_one(page, kept)
    until(page, "!document.getElementById('waiting').hidden")
    assert page.inner_text("#waiting p") == "Computing λ = 3 … The pictures still show λ = 0."
    assert page.evaluate(DIMMED)
    explorer.screenshot("explorer-waiting")
    explorer.drawn(kept[0].continue_)
    assert page.locator("#waiting").is_hidden()
    assert not page.evaluate(DIMMED)


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_cancelling_returns_to_the_run_of_the_pictures(explorer, by):
    page = explorer.open(FIVE)
    before = explorer.table("loss")
    kept = hold_requests(page, "[6,6,6]", limit=1)
    page.fill("#dims", "6-6-6")
    wait_for_one(page, kept)
    until(page, "!document.getElementById('waiting').hidden")
    if by == "mouse":
        explorer.drawn(lambda: page.click("#cancel"))
    else:
        page.focus("#cancel")
        explorer.drawn(lambda: page.keyboard.press("Enter"))
    assert page.input_value("#dims") == "5-5-5"
    assert page.locator("#waiting").is_hidden()
    assert not page.evaluate(DIMMED)
    assert np.array_equal(explorer.table("loss")["excess loss"], before["excess loss"])


def test_pictures_are_dimmed_until_own_data_are_given(explorer):
    page = explorer.open(FIVE)
    page.select_option("#network", "weights")
    until(page, DIMMED)
    assert page.inner_text("#words").startswith("Drop or paste your weights")
    explorer.drawn(lambda: page.select_option("#network", "balanced"))
    assert not page.evaluate(DIMMED)


@pytest.mark.parametrize(
    ("fragment", "act", "said"),
    [
        ("", lambda page: page.fill("#dims", "10-10-10"), "No hierarchy has the widths 10-10-10"),
        ("#lambda=-2", lambda page: page.fill("#dims", "8-9-8"), "λ is now 0. Feasible: λ = 0 only."),
        (f"{FIVE}&lambda=2", lambda page: page.fill("#dims", "5-5-3"), "λ is now 0. Feasible: λ ≤ 0."),
        (FIVE, lambda page: page.fill("#dims", "5-2-5"), ""),
        (FIVE, lambda page: page.fill("#dims", "3-3-3"), "The spectrum is now 5, 4, 3"),
        (FIVE, lambda page: page.select_option("#task", "semantic"), "The widths are now 8-8-8"),
        (FIVE, lambda page: page.select_option("#spacing", "log"), "The times now start at 0.006"),
        ("#levels=2&dims=4_4_4", lambda page: page.fill("#levels", "3"), "The widths are now 8-8-8"),
    ],
)
def test_consequences_are_said_and_undone(explorer, fragment, act, said):
    page = explorer.open(fragment)
    link = parts(page)
    before = explorer.table("loss")
    explorer.drawn(lambda: act(page))
    if said == "":
        assert page.locator("#changes").is_hidden()
        return
    assert said in page.inner_text("#changes p")
    explorer.drawn(lambda: page.click("#undo"))
    assert parts(page) == link
    assert page.locator("#changes").is_hidden()
    after = explorer.table("loss")
    assert list(after) == list(before)
    assert all(np.array_equal(after[name], before[name]) for name in after)


def test_starting_over_leaves_no_words_about_the_run_before(explorer):
    page = explorer.open()
    explorer.drawn(lambda: page.fill("#dims", "10-10-10"))
    until(page, "document.getElementById('fit-note').textContent.startsWith('Learning is over')")
    assert page.locator("#changes").is_visible()
    explorer.drawn(lambda: page.click("#reset"))
    assert page.locator("#changes").is_hidden()
    assert page.inner_text("#fit-note") == ""
    page.select_option("#task", "data")
    assert page.locator("#how").is_hidden()
    explorer.drawn(lambda: page.select_option("#task", "spectrum"))
    assert page.locator("#how").is_visible()


def test_the_horizon_fits_the_learning(explorer):
    """With this lambda the default horizon is many times too long; at its end nothing changes any more."""
    page = explorer.open("#lambda=10")
    assert page.input_value("#stop") == "60"
    explorer.drawn(lambda: page.click("#fit-time"))
    loss = explorer.table("loss")
    stop = float(page.input_value("#stop"))
    assert loss["t"][-1] == stop
    assert 0.2 < stop < 10
    assert page.inner_text("#fit-note").startswith("Learning is over by t ≈ ")
    excess = loss["loss"] / loss["loss"][0]
    assert excess[-1] < 1e-3
    assert excess[len(excess) // 2] > 1e-6


def test_the_horizon_grows_until_all_is_learned(explorer):
    page = explorer.open("#stop=5&fitTime=true")
    explorer.drawn(lambda: page.fill("#scale", "0.001"))
    until(page, f"document.getElementById('fit-note').textContent !== '' && {SETTLED}")
    loss = explorer.table("loss")["loss"]
    assert float(page.input_value("#stop")) > 40
    assert loss[-1] < 1e-3 * loss[0]


def test_a_horizon_of_the_user_stays(explorer):
    page = explorer.open("#dims=5_5_5&task=spectrum")
    explorer.drawn(lambda: page.fill("#stop", "2.5"))
    explorer.drawn(lambda: page.fill("#scale", "0.5"))
    explorer.drawn(lambda: page.select_option("#task", "regression"))
    assert page.input_value("#stop") == "2.5"
    page.click("#share")
    other = explorer.another(page.evaluate("navigator.clipboard.readText()"))
    assert other.input_value("#stop") == "2.5"


def test_hidden_units_follow_own_data(explorer, service):
    """A bottleneck of one output and four inputs would make all other lambda infeasible."""
    page = explorer.open()
    page.select_option("#task", "data")
    data = np.random.default_rng(3).standard_normal((30, 5))
    explorer.drawn(lambda: page.fill("#data-text", "\n".join(",".join(map(str, row)) for row in data)))
    assert page.input_value("#dims") == "4-1-1"
    assert page.inner_text("#changes p") == "The widths are now 4-1-1, so that they fit."
    assert page.inner_text("#feasible") == "Every λ is feasible for these widths."
    explorer.drawn(lambda: page.fill("#lambda-number", "2"))
    body = {
        "network": {"kind": "balanced", "dims": [4, 1, 1], "lambda": 2, "scale": 0.01, "seed": 11},
        "task": {"kind": "data", "inputs": data[:, :4].tolist(), "targets": data[:, 4:].tolist(), "whiten": True},
        "times": {"stop": float(page.input_value("#stop")), "num": 200},
        "quantities": ["loss"],
    }
    with service.client() as client:
        assert np.array_equal(explorer.table("loss")["loss"], ask(client, body)["quantities"]["loss"])
    explorer.drawn(lambda: page.fill("#targets", "2"))
    assert page.input_value("#dims") == "3-2-2"
