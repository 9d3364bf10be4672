"""Errors: the page shows the reason, keeps its last pictures, and recovers."""

import pytest
from support.browser import Explorer, hold_requests, until, wait_for_one
from support.holding import held
from support.jobs import JOB_SECONDS
from support.processes import Service, trajectory

FIVE = "#dims=5_5_5&task=spectrum&scale=0.1&seed=7&stop=6"
OTHER = "#dims=6_6_6&task=spectrum&scale=0.1&seed=7&stop=6"
HOSTILE = ("-1", "1.5", "9007199254740992", "1e308", "Infinity", "NaN", "", "0x", "3;4", "[3]", "%3Cimg%20src=x%3E")
HIDDEN = "document.getElementById('problem').hidden"
SHOWN = f"!{HIDDEN}"


@pytest.fixture
def troubled(service, browser):
    """A page whose console may have errors of refused requests."""
    page = Explorer(browser, service.url)
    yield page
    page.close()
    assert [error for error in page.errors if "Failed to load resource" not in error] == []


def test_a_busy_service(browser):
    with Service(tcp=True, workers=1, queue=0) as busy:
        explorer = Explorer(browser, busy.url)
        page = explorer.open(FIVE)
        before = explorer.table("loss")
        with held(busy, trajectory()) as later:
            page.fill("#lambda-number", "3")
            until(page, SHOWN)
            assert page.inner_text("#problem").startswith("The service is busy.")
            assert "Trying again in" in page.inner_text("#problem")
            assert page.locator("#picture-loss .u-over").is_visible()
            explorer.screenshot("trouble-busy")
        assert later.result().status_code == 200
        until(page, HIDDEN)
        assert (explorer.table("loss")["excess loss"] != before["excess loss"]).any()
        explorer.close()


def test_the_page_recovers_after_a_restart_of_the_service(browser, free_port):
    with Service(tcp=True, workers=1, port=free_port) as fleeting:
        explorer = Explorer(browser, fleeting.url)
        page = explorer.open(FIVE)
        before = explorer.table("loss")
        fleeting.kill()
        page.fill("#lambda-number", "3")
        until(page, SHOWN)
        assert page.inner_text("#problem").startswith("The service does not answer.")
        assert (explorer.table("loss")["excess loss"] == before["excess loss"]).all()
        explorer.screenshot("trouble-gone")
        fleeting.start()
        fleeting.wait_until_ready()
        until(page, HIDDEN)
        assert (explorer.table("loss")["excess loss"] != before["excess loss"]).any()
        explorer.close()


def test_a_link_to_an_infeasible_lambda(troubled):
    page = troubled.open_without_pictures("#dims=5_5_3&task=spectrum&spectrum=2_1&lambda=2")
    until(page, SHOWN)
    text = page.inner_text("#problem")
    assert text.startswith("No balanced weights exist for these widths.")
    assert "λ > 0 needs hidden ≤ out" in page.inner_text("#feasible")
    assert page.get_attribute("#lambda-number", "aria-invalid") == "true"
    troubled.drawn(lambda: page.fill("#lambda-number", "-2"))
    assert page.locator("#problem").is_hidden()
    assert page.locator("#lambda-number-problem").count() == 0
    assert page.get_attribute("#lambda-number", "aria-invalid") is None


def test_an_answer_does_not_overwrite_what_the_user_types(troubled):
    page = troubled.open(FIVE)
    kept = hold_requests(page, '"stop":5')
    page.fill("#stop", "5")
    page.fill("#dims", "5-x")
    wait_for_one(page, kept)
    troubled.drawn(kept[0].continue_)
    assert page.input_value("#dims") == "5-x"
    assert "three widths" in page.inner_text("#dims-problem")


def test_refusals_are_shown_at_their_fields(troubled):
    page = troubled.open(FIVE)
    page.fill("#stop", "")
    assert "expected a number above 0" in page.inner_text("#stop-problem")
    page.fill("#stop", "60")
    page.fill("#dims", "5-x")
    assert "three widths" in page.inner_text("#dims-problem")
    page.fill("#dims", "5-5-5")
    page.check("#descent")
    page.fill("#rate", "1")
    until(page, "document.getElementById('descent-note').textContent.includes('diverged')")
    assert "wrong" in page.get_attribute("#descent-note", "class")


def test_an_invalid_link(troubled):
    page = troubled.open("#lambda=much&task=juggling&seed=7&W1=3x3.zzz")
    until(page, "document.getElementById('toast').textContent.includes('cannot be read')")
    assert page.input_value("#lambda-number") == "0"


@pytest.mark.parametrize(
    ("fragment", "part"),
    [
        ("#pin=", "pin"),
        ("#pin=Z.lambda%3D3", "pin"),
        ("#num=1000000", "num"),
        ("#num=%20", "num"),
        ("#seed=0.5", "seed"),
        ("#levels=7", "levels"),
        ("#bandSeeds=1e9", "bandSeeds"),
        *((f"#forgetting=true&secondSeed={text}", "secondSeed") for text in HOSTILE),
    ],
)
def test_a_link_with_a_part_out_of_range(troubled, fragment, part):
    page = troubled.open(fragment)
    assert page.inner_text("#toast") == f"The link has parts that cannot be read: {part}."
    assert page.locator("#pins [data-pin]").count() == 0
    assert page.input_value("#num") == "200"
    assert page.input_value("#second-seed") == "3"
    assert page.locator("#forgetting-problem").is_hidden()


@pytest.mark.parametrize(
    ("fragment", "field", "words"),
    [
        ("#decay=-1", "decay", "got −1, expected at least 0"),
        ("#rates=-1_1", "rates", "got −1, expected at least 10⁻⁷⁰"),
        ("#scale=1e300", "scale", "got 10³⁰⁰, expected at most 10⁷⁰"),
    ],
)
def test_a_link_that_is_refused(troubled, fragment, field, words):
    page = troubled.open_without_pictures(fragment)
    until(page, SHOWN)
    assert page.inner_text(f"#{field}-problem") == words
    assert page.inner_text("#words") == "There is no picture yet."


def test_newer_requests_abort_older_ones(troubled):
    page = troubled.open(FIVE)
    aborted = []
    page.on("requestfailed", lambda request: aborted.append(request.failure))
    kept = hold_requests(page, "[6,6,6]")
    page.evaluate(f"location.hash = {OTHER!r}")
    wait_for_one(page, kept)
    troubled.drawn(lambda: page.fill("#dims", "5-5-5"))
    assert aborted == ["net::ERR_ABORTED"]
    assert page.locator("#problem").is_hidden()


def test_a_changed_address_is_used_although_the_page_rewrites_it(troubled):
    """The page writes its address a quarter of a second after each change, perhaps before it reads a new one."""
    page = troubled.open(FIVE)
    troubled.drawn(
        lambda: page.evaluate(f"location.hash = {OTHER!r}; history.replaceState(null, '', {FIVE!r}); undefined")
    )
    assert page.input_value("#dims") == "6-6-6"
    until(page, "location.hash.includes('6_6_6')")


def test_a_proxy_that_answers_in_html(troubled):
    page = troubled.open(FIVE)
    page.route("**/v1/trajectories", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    page.fill("#lambda-number", "3")
    until(page, SHOWN)
    assert "Unexpected answer, perhaps from a proxy. The answer is 502" in page.inner_text("#problem")


def test_a_sweep_without_events_is_polled(troubled):
    """Some proxies do not pass event streams."""
    page = troubled.open(f"{FIVE}&sweep=true")
    page.route("**/events", lambda route: route.fulfill(status=502, body=""))
    page.fill("#sweep-points", "11")
    page.click("#sweep-run")
    until(page, "document.getElementById('sweep-progress').textContent.includes('done')", JOB_SECONDS)
    page.locator("#picture-sweep .u-over").wait_for()


def test_a_sweep_that_the_service_has_forgotten(browser, free_port):
    with Service(tcp=True, workers=1, port=free_port, embedded_cache=True) as fleeting:
        explorer = Explorer(browser, fleeting.url)
        page = explorer.open(f"{FIVE.replace('5_5_5', '60_60_60')}&sweep=true")
        page.fill("#sweep-points", "400")
        page.fill("#sweep-seeds", "50")
        page.click("#sweep-run")
        until(page, "!document.getElementById('sweep-cancel').hidden", JOB_SECONDS)
        fleeting.kill()
        fleeting.start()
        fleeting.wait_until_ready()
        until(page, "!document.getElementById('sweep-problem').hidden", JOB_SECONDS)
        assert "does not know this job any more" in page.inner_text("#sweep-problem")
        page.fill("#sweep-points", "3")
        page.fill("#sweep-seeds", "1")
        page.click("#sweep-run")
        until(page, "document.getElementById('sweep-progress').textContent.includes('done')", JOB_SECONDS)
        assert page.locator("#sweep-problem").is_hidden()
        explorer.close()


def test_a_sweep_that_is_refused(troubled):
    page = troubled.open_without_pictures(f"{FIVE}&sweep=true&network=weights")
    until(page, "document.getElementById('words').textContent.startsWith('Drop or paste your weights')")
    assert page.is_disabled("#sweep-run")
    page.select_option("#network", "balanced")
    page.route("**/v1/sweeps", lambda route: route.abort())
    page.click("#sweep-run")
    until(page, "!document.getElementById('sweep-problem').hidden")
    assert "keeps trying" not in page.inner_text("#sweep-problem")
    assert page.is_enabled("#sweep-run")


REFUSALS = [
    ("base.network.dims.1", "got 0, expected at least 1", "“Widths, input first”: got 0, expected at least 1."),
    ("tasks.0.task.levels", "got 9", "“Levels of the tree”: got 9."),
    ("tasks.1.task.seed", "got -1", "“Seed of the directions”: got −1."),
    ("replicates", "got 1e9; ask for fewer replicates", "“Number of seeds”: got 10⁹; ask for fewer seeds."),
    ("method.learning_rate", "divide method.learning_rate by 2", "“Learning rate”: divide “Learning rate” by 2."),
    ("task.inputs", "whiten them (task.whiten = true)", "Inputs of the data: whiten them (“Whiten the inputs” on)."),
    ("network.lambda", "got 3", "λ: got 3."),
    ("axes.0.values.3", "got 2", "The values of λ: got 2."),
]


@pytest.mark.parametrize(("path", "detail", "shown"), REFUSALS)
def test_refusals_name_the_labels_of_the_page(explorer, path, detail, shown):
    page = explorer.open(FIVE)
    body = {
        "code": "invalid-request",
        "title": "The request is invalid",
        "detail": "1 error",
        "errors": [{"path": path, "detail": detail}],
    }
    page.evaluate(
        """async (body) => {
            const module = (name) => document.querySelector(`link[rel="modulepreload"][href$="/${name}.js"]`).href;
            const [{ Problem }, { showError }] = await Promise.all(
                ["api", "error-banner"].map((name) => import(module(name))),
            );
            showError("problem", new Problem(body, null));
        }""",
        body,
    )
    assert page.inner_text("#problem") == f"The request is invalid. {shown}"


def test_advice_that_the_page_cannot_follow_is_left_out(troubled):
    """A fit whose integration stops names neither tolerances nor routes of the API."""
    page = troubled.open(FIVE)
    words = page.evaluate(
        """async () => {
            const { href } = document.querySelector('link[rel="modulepreload"][href$="/request-labels.js"]');
            const { inPageWords } = await import(href);
            return ["loosen rtol and atol, scale weights, or ask for less time",
                "ask for a sweep over the seeds (POST /v1/sweeps), a job"].map(inPageWords);
        }"""
    )
    assert words == ["scale weights, or ask for less time.", "ask for a sweep over the seeds, a job."]
