"""A service with keys: the page asks for a key, uses it for all requests, and does not disclose it."""

import os
import re
import subprocess
import sys

import pytest
from axe_playwright_python.sync_playwright import Axe
from support.browser import Explorer, until
from support.jobs import JOB_SECONDS
from support.keys import KeysFile
from support.processes import Service

ASKED = "document.getElementById('key').open"
DRAWN = "Number(document.body.dataset.drawn ?? 0)"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return KeysFile(tmp_path_factory.mktemp("keys") / "keys")


@pytest.fixture(scope="module")
def key(keys):
    return keys.add("ada")


@pytest.fixture(scope="module")
def guarded(keys, key):
    with Service(tcp=True, api_keys_file=keys.path, embedded_cache=True) as running:
        yield running


@pytest.fixture
def opened(guarded, browser):
    """Open the page of a service that refuses it; the console then has this error and no other."""
    explorers = []

    def open_(fragment="", **context):
        explorers.append(Explorer(browser, guarded.url, **context))
        page = explorers[-1].open_without_pictures(fragment)
        until(page, ASKED)
        return explorers[-1]

    yield open_
    for explorer in explorers:
        explorer.close()
        assert [text for text in explorer.errors if "401" not in text] == []


def give(explorer, key):
    explorer.page.fill("#key-text", key)
    explorer.page.click("#key-form button.primary")


def test_the_page_works_with_a_key(opened, key):
    explorer = opened()
    give(explorer, f" {key} ")
    until(explorer.page, f"{DRAWN} > 0")
    assert not explorer.page.evaluate(ASKED)
    assert key not in explorer.page.url
    assert not any(key in url for url in explorer.requests)
    assert key not in explorer.page.content()
    explorer.page.reload()
    until(explorer.page, f"{DRAWN} > 0")
    assert not explorer.page.evaluate(ASKED)
    assert explorer.page.evaluate("localStorage.length + document.cookie.length") == 0


@pytest.mark.parametrize(("language", "program"), [("python", [sys.executable, "-"]), ("curl", ["/bin/sh"])])
def test_displayed_code_reads_the_key_from_the_environment(opened, key, language, program):
    explorer = opened()
    give(explorer, key)
    until(explorer.page, f"{DRAWN} > 0")
    explorer.page.click("#code-open")
    explorer.page.click(f"#tab-{language}")
    code = explorer.page.inner_text("#code-text")
    assert key not in code
    environment = {**os.environ, "no_proxy": "*", "LINDYN_API_KEY": key}
    with_key = subprocess.run(program, env=environment, input=code, capture_output=True, text=True, check=True)
    assert "two layers" in with_key.stdout
    del environment["LINDYN_API_KEY"]
    without = subprocess.run(program, env=environment, input=code, capture_output=True, text=True, check=False)
    assert re.search("needs a key|A key is needed", without.stdout + without.stderr)


def test_sweeps_are_followed(opened, key):
    explorer = opened("#sweep=true")
    give(explorer, key)
    until(explorer.page, f"{DRAWN} > 0")
    explorer.page.fill("#sweep-points", "5")
    explorer.page.click("#sweep-run")
    until(explorer.page, "document.querySelector('#sweep-picture canvas') !== null", JOB_SECONDS)
    assert not any(url.endswith("/events") for url in explorer.requests)


def test_phase_diagrams_are_followed(opened, key):
    explorer = opened("#phase=true&phaseGrid=-1_1_3_0.01_0.1_2")
    give(explorer, key)
    until(explorer.page, f"{DRAWN} > 0")
    explorer.page.click("#phase-run")
    until(explorer.page, "document.querySelectorAll('#phase-picture [role=gridcell]').length === 6", JOB_SECONDS)
    assert not any(url.endswith("/events") for url in explorer.requests)


def test_the_page_asks_again_after_a_wrong_key(opened, key):
    explorer = opened()
    assert explorer.page.text_content("#key-why") == ""
    give(explorer, "lindyn_wrong")
    until(explorer.page, f"{ASKED} && document.getElementById('key-why').textContent.includes('unknown')")
    give(explorer, key)
    until(explorer.page, f"{DRAWN} > 0")


def test_the_page_explains_that_it_needs_a_key(opened):
    explorer = opened()
    explorer.page.keyboard.press("Escape")
    until(explorer.page, "document.body.innerText.includes('A key is needed')")
    assert explorer.page.evaluate("sessionStorage.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_prompt_is_accessible(opened, scheme):
    explorer = opened(bypass_csp=True, color_scheme=scheme)
    assert explorer.page.evaluate("document.activeElement.id") == "key-text"
    found = Axe().run(explorer.page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    explorer.screenshot(f"key-{scheme}")
