"""Accessibility: the rules of axe, names of controls, and use by keyboard."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from support.browser import Explorer, until
from support.explorer_files import archive, choose
from support.jobs import JOB_SECONDS

GRAVE = ("serious", "critical")


def assert_nothing_grave(page):
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found if each["impact"] in GRAVE] == []


@pytest.fixture
def injecting(service, browser):
    """A page into which axe can be injected, which the page's policy otherwise forbids."""
    pages = []

    def opened(fragment="", **context):
        page = Explorer(browser, service.url, bypass_csp=True, **context)
        pages.append(page)
        return page.open(fragment)

    yield opened
    for page in pages:
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize(
    "fragment",
    [
        "",
        "#seed=5&stop=100&descent=true&sweep=true&forgetting=true",
        "#more=true&decay=0.01&pin=A.lambda%3D3&pin=C.lambda%3D-8&pin=D.dims%3D8_5_8",
        "#bands=true&bandSeeds=5&phase=true&fit=true",
    ],
)
def test_the_page(injecting, scheme, width, fragment):
    page = injecting(fragment, color_scheme=scheme, viewport={"width": width, "height": 844})
    assert_nothing_grave(page)


@pytest.mark.parametrize("network", ["random", "weights"])
@pytest.mark.parametrize("task", ["regression", "data"])
def test_other_controls(injecting, network, task):
    page = injecting()
    page.select_option("#network", network)
    page.select_option("#task", task)
    assert_nothing_grave(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_dialogs_of_uploaded_files(injecting, scheme, width):
    """Announcements, refusals and choices; nothing is wider than the page."""
    page = injecting(color_scheme=scheme, viewport={"width": width, "height": 844})
    page.select_option("#task", "data")
    choose(page, "#data-file", "classes.csv", b",0,1\n0,2,1\n1,4,2\n2,6,3\n3,8,1\n")
    until(page, "document.getElementById('data-note').textContent.includes('left out')")
    assert_nothing_grave(page)
    choose(page, "#data-file", "nan.csv", b"nan,nan\n1,2\n")
    choose(page, "#weights-file", "w.npz", archive(a=np.eye(2), b=np.eye(2)))
    until(page, "!document.getElementById('weights-order-choice').hidden")
    assert page.locator("#data-note.wrong").is_visible()
    assert_nothing_grave(page)
    for name in ("First row", "First column", "Last column", "Order of the layers"):
        assert page.get_by_role("combobox", name=name, exact=True).count() == 1, name
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tour_code_and_trouble(injecting, scheme):
    page = injecting("#dims=5_5_3&task=spectrum&spectrum=2_1&stop=4", color_scheme=scheme)
    page.fill("#lambda-number", "7")
    page.fill("#stop", "")
    assert_nothing_grave(page)
    page.click("#tour-start")
    assert_nothing_grave(page)
    page.click("#tour-end")
    page.click("#code-open")
    assert_nothing_grave(page)


def test_all_controls_can_be_used_by_keyboard(explorer):
    """The tab key visits all controls in the order of the page, and each has a name."""
    page = explorer.open("#dims=5_5_5&task=spectrum&stop=4")
    seen = []
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.id || document.activeElement.className")
        if seen and focused == seen[0]:
            break
        seen.append(focused)
    for wanted in ("skip", "tour-start", "network", "lambda", "lambda-number", "play", "time", "zoom-in", "map"):
        assert wanted in seen, seen
    assert seen.index("lambda") < seen.index("play") < seen.index("time") < seen.index("map")
    page.focus("#lambda")
    explorer.drawn(lambda: page.keyboard.press("PageUp"))
    page.focus("#play")
    page.keyboard.press("Space")
    until(page, "document.getElementById('play').getAttribute('aria-label') === 'Pause'")
    page.keyboard.press("Space")
    page.focus("#code-open")
    page.keyboard.press("Enter")
    assert page.locator("#code").is_visible()
    page.focus("#tab-python")
    page.keyboard.press("ArrowRight")
    assert "curl" in page.inner_text("#code-text")
    page.keyboard.press("Escape")
    assert page.locator("#code").is_hidden()
    assert page.evaluate("document.activeElement.id") == "code-open"


def test_announcements_of_screen_readers(explorer):
    page = explorer.open("#dims=5_5_5&task=spectrum&stop=4&num=201&lambda=2&time=2")
    for role, name in (
        ("slider", f"λ {page.inner_text('#regime')}"),
        ("textbox", "Lambda, exact value"),
        ("slider", "Time"),
        ("slider", "Loss: time"),
        ("button", "Play"),
        ("group", "Zoom of the time axis"),
        ("button", "Loss: save as PNG"),
        ("img", "Matrix of 10 rows at t = 2: arrow keys read its entries"),
    ):
        assert page.get_by_role(role, name=name, exact=True).count() == 1, name
    assert page.get_attribute("#lambda", "aria-valuetext") == "λ = 2"
    assert page.get_attribute("#picture-singular-values .plot", "aria-valuetext").startswith("t = 2: learned 1 5")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_results_of_panels(injecting, scheme, width):
    """A band, a phase diagram and a fit; nothing is wider than the page."""
    fragment = "#dims=3_3_3&task=spectrum&spectrum=2_1&stop=8&bands=true&bandSeeds=5&phase=true&fit=true"
    page = injecting(
        f"{fragment}&phaseGrid=-2_2_5_0.1_1_3", color_scheme=scheme, viewport={"width": width, "height": 844}
    )
    page.fill("#measured-text", "0,2.4\n2,2.1\n4,0.9\n6,0.3\n8,0.1\n")
    page.click("#phase-run")
    page.click("#fit-run")
    for panel in ("phase", "fit"):
        until(page, f"document.querySelector('#{panel}-progress span').textContent.includes('done')", JOB_SECONDS)
    page.locator("#fit-estimates tr").first.wait_for()
    page.locator("#picture-phase [role=gridcell]").first.wait_for()
    assert_nothing_grave(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [320, 390])
def test_the_numbers_of_a_fit_fit_on_a_telephone(browser, service, width):
    """Their fields are within the panel, and their boxes to tick keep their size."""
    explorer = Explorer(browser, service.url, viewport={"width": width, "height": 844})
    page = explorer.open("#dims=3_3_3&task=spectrum&spectrum=2_1&stop=8&num=40&fit=true")
    page.locator("#fit-parameters input:visible").first.wait_for()
    table = "document.querySelector('#fit-form .scrolls')"
    assert page.evaluate(f"{table}.scrollWidth <= {table}.clientWidth")
    boxes = [each.bounding_box() for each in page.locator("#fit-parameters [type=checkbox]:visible").all()]
    assert [(box["width"], box["height"]) for box in boxes] == [(16, 16)] * len(boxes)
    field, text = (page.locator(name).bounding_box() for name in ("#measured-text", "#fit-panel .grows"))
    assert field["y"] + field["height"] == pytest.approx(text["y"] + text["height"], abs=1)
    explorer.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1024, 1920])
def test_other_widths(injecting, scheme, width):
    """Everything is open; nothing is wider than the page."""
    fragment = "#dims=3_3_3&task=spectrum&spectrum=2_1&stop=8&descent=true&decay=0.01&pin=A.lambda%3D3&num=40"
    panels = "&more=true&sweep=true&forgetting=true&bands=true&bandSeeds=5&phase=true&fit=true"
    page = injecting(f"{fragment}{panels}", color_scheme=scheme, viewport={"width": width, "height": 844})
    page.click("#how summary")
    assert_nothing_grave(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_tables_that_are_wider_than_the_page_scroll_by_keyboard(injecting):
    page = injecting("#dims=3_3_3&task=spectrum&spectrum=2_1&fit=true", viewport={"width": 240, "height": 700})
    page.evaluate("document.getElementById('fit-result').hidden = false")
    region = page.get_by_role("region", name="Estimates of the fit")
    assert region.evaluate("(each) => each.scrollWidth > each.clientWidth")
    region.focus()
    page.keyboard.press("ArrowRight")
    until(page, "document.activeElement.scrollLeft > 0")
    assert_nothing_grave(page)


def test_panels_are_within_a_page_that_is_enlarged_fourfold(injecting):
    """A window of 1280 pixels has 320 at 400 %."""
    viewport = {"width": 320, "height": 256}
    page = injecting(
        "#dims=3_3_3&phase=true&fit=true&bands=true&bandSeeds=5&sweep=true&forgetting=true&task=spectrum&spectrum=2_1",
        viewport=viewport,
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 320
