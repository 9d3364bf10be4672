"""Texts and appearance: notes, the tour, light and dark mode, a narrow screen."""

import pytest
from support.browser import SETTLED, Explorer, until

FIVE = "#dims=5_5_5&task=spectrum&scale=0.1&seed=7&stop=6&time=3"


def test_saddles_are_explained(explorer):
    page = explorer.open("#seed=5&stop=100")
    note = page.inner_text("#picture-singular-values .notes")
    assert "Mode 8 (s = 0.177) has no overlap with the initial weights and is never learned." in note
    assert "The loss has a saddle here" in note


def test_the_modes_of_several_warnings_are_numbers_of_the_answer(explorer):
    """Whatever their texts say."""
    page = explorer.open()
    merged = page.evaluate(
        """async () => {
            const { href } = document.querySelector('link[rel="modulepreload"][href$="/answer-text.js"]');
            const { grouped } = await import(href);
            const saddle = (modes) => ({ code: "saddle", detail: "not one of these is learned", modes });
            return grouped([{ code: "no-samples", detail: "none" }, saddle([1]), saddle([4]), saddle([6, 7])]);
        }"""
    )
    assert [warning["code"] for warning in merged] == ["saddle", "no-samples"]
    assert merged[0]["detail"] == "modes 2, 5, 7, 8 have no overlap with the initial weights and are never learned"


def test_the_tour(explorer):
    page = explorer.open()
    page.click("#tour-start")
    titles = []
    for _ in range(4):
        until(page, SETTLED)
        titles.append(page.inner_text("#tour-title").split(":")[0])
        if titles[-1] == "Forgetting":
            page.locator("#picture-forgetting .u-over").wait_for()
        explorer.screenshot(f"tour-{len(titles)}-{titles[-1].lower()}")
        if titles[-1] == "Saddle":
            assert "The loss has a saddle here" in page.inner_text("#picture-singular-values .notes")
        page.click("#tour-next")
    assert titles == ["Rich", "Lazy", "Saddle", "Forgetting"]
    assert page.locator("#tour").is_hidden()
    assert "Training on the first task ends" in page.inner_text("#forgetting-words")


def test_colours(explorer):
    page = explorer.open()
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(background)
    assert light != dark
    page.click("#theme")
    assert page.evaluate(background) == light
    page.click("#theme")
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) == dark
    explorer.screenshot("explorer-dark")
    page.reload()
    until(page, "document.getElementById('timing') !== null")
    assert page.evaluate(background) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone(browser, service, scheme):
    explorer = Explorer(
        browser, service.url, viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme
    )
    page = explorer.open(FIVE)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#lambda").is_visible()
    assert page.locator("#picture-loss .u-over").bounding_box()["width"] > 250
    page.locator("#picture-loss .u-over").tap(position={"x": 30, "y": 40})
    assert float(page.inner_text("#time-value").removeprefix("t = ")) < 1.5
    explorer.drawn(lambda: page.fill("#lambda-number", "4"))
    explorer.screenshot(f"telephone-{scheme}")
    explorer.screenshot(f"telephone-{scheme}-whole", full_page=True)
    page.click("#tour-start")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    explorer.close()
    assert explorer.errors == []
