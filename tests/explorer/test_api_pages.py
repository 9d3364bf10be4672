"""The description of the API in a browser: loaded from this service only, under the same policy."""

from support.browser import SCREENSHOTS, Explorer


def test_the_routes_can_be_read_and_tried(browser, service):
    explorer = Explorer(browser, service.url, color_scheme="dark")
    page = explorer.page
    page.goto(f"{service.url}/docs")
    page.locator(".opblock").first.wait_for()
    with service.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    operations = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    shown = page.locator(".opblock-summary")
    found = {tuple(text.replace("\u200b", "").split("\n")[:2]) for text in shown.all_inner_texts()}
    assert found == operations
    page.click("#operations-service-about .opblock-summary-control")
    page.click("#operations-service-about .try-out__btn")
    page.click("#operations-service-about .execute")
    page.locator("#operations-service-about .live-responses-table").wait_for()
    assert '"lindyn"' in page.inner_text("#operations-service-about .live-responses-table")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "api.png")
    explorer.close()
    assert explorer.errors == []
    assert [url for url in explorer.requests if not url.startswith((service.url, "data:", "blob:"))] == []
