"""Pinned runs beside the live one: their numbers, the link, the keyboard, and what they cost."""

import numpy as np
import pytest
from support.browser import SETTLED, Explorer, until
from support.service import ask

FIVE = "#dims=5_5_5&task=spectrum&scale=0.1&seed=7&stop=6&time=3"
KERNEL = "NTK distance, 1 − cosine"


def request(lam=0.0, stop=6, **network):
    """The request of FIVE, with other values for its network."""
    return {
        "network": {"kind": "balanced", "dims": [5, 5, 5], "lambda": lam, "scale": 0.1, "seed": 7} | network,
        "task": {"kind": "spectrum", "singular_values": [5, 4, 3, 2, 1], "seed": 1},
        "times": {"start": 0, "stop": stop, "num": 200},
        "quantities": ["excess_loss", "singular_values", "ntk_distance", "ntk_norm"],
    }


def ready(page, count):
    """Wait until that many pinned runs are drawn."""
    until(page, f"document.querySelectorAll('#pins [data-ready]').length === {count} && {SETTLED}")


def pin(page, count):
    page.click("#pin")
    ready(page, count)


def test_numbers_of_pinned_runs_are_those_of_the_api(explorer, service):
    page = explorer.open(FIVE)
    pin(page, 1)
    explorer.drawn(lambda: page.fill("#lambda-number", "2.5"))
    explorer.drawn(lambda: page.fill("#scale", "0.3"))
    pin(page, 2)
    explorer.drawn(lambda: page.fill("#lambda-number", "-4"))
    with service.client() as client:
        live, first, second = (
            ask(client, request(lam, scale=scale))["quantities"] for lam, scale in ((-4, 0.3), (0, 0.1), (2.5, 0.3))
        )
    loss, values, kernel = (explorer.table(name) for name in ("loss", "singular-values", "kernel"))
    assert list(loss) == ["t", "excess loss", "A: λ = 0, scale 0.1", "B: λ = 2.5"]
    assert np.array_equal(loss["excess loss"], live["excess_loss"])
    assert np.array_equal(loss["A: λ = 0, scale 0.1"], first["excess_loss"])
    assert np.array_equal(loss["B: λ = 2.5"], second["excess_loss"])
    for i in range(5):
        assert np.array_equal(values[f"learned {i + 1}"], live["singular_values"][:, i])
        assert np.array_equal(values[f"A, learned {i + 1}"], first["singular_values"][:, i])
        assert np.array_equal(values[f"B, learned {i + 1}"], second["singular_values"][:, i])
    for letter, found in (("A", first), ("B", second)):
        assert np.array_equal(kernel[f"{letter}, {KERNEL}"], found["ntk_distance"])
        norm = np.array(found["ntk_norm"])
        assert np.array_equal(kernel[f"{letter}, NTK norm / its largest"], norm / norm.max())
    explorer.screenshot("explorer-pinned")


def test_pinned_runs_have_colours_legends_and_values_at_the_cursor(explorer):
    page = explorer.open(f"{FIVE}&pin=A.dims%3D5_5_5%26task%3Dspectrum%26scale%3D0.1%26seed%3D7%26lambda%3D8")
    ready(page, 1)
    for picture in ("loss", "singular-values"):
        assert "A: λ = 8" in page.inner_text(f"#picture-{picture} .legend")
    swatch = "getComputedStyle(document.querySelector('#pins [data-pin] i')).borderTopColor"
    drawn = "[...document.querySelectorAll('#picture-loss .legend line')].map((each) => getComputedStyle(each).stroke)"
    assert page.evaluate(swatch) == page.evaluate(drawn)[-1]
    assert len(set(page.evaluate(drawn))) == 2
    values = explorer.table("singular-values")
    box = page.locator("#picture-singular-values .u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    page.locator("#tooltip").wait_for()
    title, *rest = [text for text in page.inner_text("#tooltip").split("\n") if text]
    assert rest[:3] == ["learned", "target", "A"]
    assert rest[3] == "mode 1"
    at = int(np.argmin(np.abs(values["t"] - float(title.removeprefix("t = ")))))
    shown = [float(text) for text in rest[4:7]]
    assert shown == pytest.approx([values[name][at] for name in ("learned 1", "target 1", "A, learned 1")], rel=1e-3)


def test_moving_lambda_computes_no_pinned_run_again(explorer):
    page = explorer.open(FIVE)
    pin(page, 1)
    posted = []
    page.on("request", lambda sent: posted.append(sent.post_data or ""))
    explorer.drawn(lambda: page.fill("#lambda-number", "2"))
    assert posted
    assert not any('"lambda":0' in body for body in posted)
    assert "A: λ = 0" in explorer.table("loss")


def test_pinned_runs_follow_the_times_of_the_live_one(explorer, service):
    page = explorer.open(FIVE)
    pin(page, 1)
    explorer.drawn(lambda: page.fill("#lambda-number", "2"))
    explorer.drawn(lambda: page.fill("#stop", "3"))
    ready(page, 1)
    loss = explorer.table("loss")
    assert loss["t"][-1] == 3
    with service.client() as client:
        expected = ask(client, request(stop=3))["quantities"]["excess_loss"]
    assert np.array_equal(loss["A: λ = 0"], expected)


def test_a_link_has_the_pinned_runs(explorer):
    page = explorer.open(FIVE)
    pin(page, 1)
    explorer.drawn(lambda: page.fill("#lambda-number", "2.5"))
    pin(page, 2)
    explorer.drawn(lambda: page.fill("#lambda-number", "-4"))
    page.click("#pins [aria-label='Unpin A']")
    until(page, "document.querySelectorAll('#pins [data-pin]').length === 1")
    table = explorer.table("loss")
    page.click("#share")
    address = page.evaluate("navigator.clipboard.readText()")
    other = explorer.another(address)
    ready(other, 1)
    assert other.inner_text("#pins").split("\n")[0] == "live: λ = −4"
    page.close()
    explorer.page = other
    again = explorer.table("loss")
    assert list(again) == list(table) == ["t", "excess loss", "B: λ = 2.5"]
    assert all(np.array_equal(again[name], table[name]) for name in table)


def test_pinned_runs_by_keyboard(explorer):
    page = explorer.open(FIVE)
    page.focus("#pin")
    page.keyboard.press("Enter")
    ready(page, 1)
    page.focus("#lambda")
    explorer.drawn(lambda: page.keyboard.press("PageUp"))
    page.focus("#pin")
    page.keyboard.press("Enter")
    ready(page, 2)
    page.keyboard.press("Tab")  # to the download of all numbers
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "A: λ = 0"
    explorer.drawn(lambda: page.keyboard.press("Enter"))
    assert page.input_value("#lambda-number") == "0"
    page.focus("#pins [aria-label='Unpin A']")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#pins [data-pin]').length === 1")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Unpin B"
    page.keyboard.press("Enter")
    until(page, "document.getElementById('pins').hidden")
    assert page.evaluate("document.activeElement.id") == "pin"
    assert list(explorer.table("loss")) == ["t", "excess loss"]


def test_a_run_is_pinned_once_and_four_at_most(explorer):
    page = explorer.open(FIVE)
    pin(page, 1)
    page.click("#pin")
    assert page.inner_text("#toast") == "This run is pinned already, as A."
    for count, lam in enumerate(("1", "2", "3"), 2):
        explorer.drawn(lambda lam=lam: page.fill("#lambda-number", lam))
        pin(page, count)
    explorer.drawn(lambda: page.fill("#lambda-number", "4"))
    page.click("#pin")
    assert page.inner_text("#toast") == "4 runs are pinned; unpin one of them first."
    assert page.locator("#pins [data-pin]").count() == 4


def test_a_run_with_other_widths_and_own_weights(explorer, service):
    identity = "2x2.AAAAAAAA8D8AAAAAAAAAAAAAAAAAAAAAAAAAAAAA8D8"
    page = explorer.open(f"#network=weights&W1={identity}&W2={identity}&task=spectrum&spectrum=2_1&stop=4")
    pin(page, 1)
    explorer.drawn(lambda: page.select_option("#network", "balanced"))
    ready(page, 1)
    names = list(explorer.table("singular-values"))
    assert sum(name.startswith("A, learned") for name in names) == 2
    label = next(name for name in explorer.table("loss") if name.startswith("A: "))
    assert "own weights" in label
    assert "2-2-2" in label


def test_a_pinned_run_that_is_refused_says_why(service, browser):
    explorer = Explorer(browser, service.url)
    page = explorer.open(f"{FIVE}&pin=B.dims%3D5_5_3%26task%3Dspectrum%26spectrum%3D2_1%26lambda%3D2")
    until(page, "document.querySelector('#pins .wrong') !== null")
    assert page.inner_text("#pins .wrong").startswith("λ > 0 needs hidden ≤ out")
    assert list(explorer.table("loss")) == ["t", "excess loss"]
    explorer.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pins_on_a_telephone(browser, service, scheme):
    explorer = Explorer(browser, service.url, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = explorer.open(FIVE)
    pin(page, 1)
    explorer.drawn(lambda: page.fill("#lambda-number", "2"))
    pin(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    explorer.screenshot(f"telephone-pins-{scheme}", full_page=True)
    explorer.close()
    assert explorer.errors == []
