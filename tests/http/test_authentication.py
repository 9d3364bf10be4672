"""Authentication of routes, and refusals of foreign web pages, in the real application."""

import httpx
import pytest
from fastapi.routing import APIRoute
from support.resources import idle_application
from support.service import problem

from lindyn_service.configuration.settings import Settings
from lindyn_service.http.authentication import needed_scope
from lindyn_service.server.app import create_service

pytestmark = pytest.mark.anyio

OPEN = {"/healthz", "/readyz", "/v1/about", "/openapi.json", "/", "/docs", "/explorer/{digest}/{path:path}"}


def all_paths():
    document = create_service(Settings()).app.openapi()
    return set(document["paths"])


def test_every_route_is_listed_as_open_or_needs_a_key():
    app = create_service(Settings()).app
    paths = all_paths() | {route.path for route in app.routes if isinstance(route, APIRoute)}
    assert {path for path in paths if needed_scope(path) is None} <= OPEN
    for path in paths:
        if any(word in path for word in ("/sweeps", "/fits", "/experiments", "/jobs")):
            assert needed_scope(path) == "jobs"


@pytest.mark.parametrize(
    "path", ["/v1/", "/v1/unknown", "/v1/about/", "/v1/trajectories/", "/v1//about", "/v1/x/about"]
)
def test_unknown_paths_of_the_api_need_a_key(path):
    assert needed_scope(path) == "solve"


async def ask(settings, method, url, **headers):
    transport = httpx.ASGITransport(idle_application(settings))
    async with httpx.AsyncClient(transport=transport) as client:
        return await client.request(method, url, headers=headers)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "192.0.2.7:8000", "LOCALHOST:8000", "api:8000"]
)
async def test_an_open_service_accepts_addresses_and_names_without_a_dot(host):
    assert (await ask(Settings(), "GET", f"http://{host}/v1/experiments")).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example:8000", "127.0.0.1.evil.example:8000", "localhost.evil.example", "", "[", "x" * 200]
)
async def test_host_names_of_dns_rebinding_are_refused(host):
    response = await ask(Settings(), "GET", "http://127.0.0.1:8000/v1/experiments", Host=host)
    assert "LINDYN_ALLOWED_HOSTS" in problem(response, 403, "forbidden")["detail"]


@pytest.mark.parametrize("path", ["/v1/about", "/openapi.json", "/", "/docs", "/metrics", "/nothing", "/healthz/"])
async def test_under_a_foreign_name_nothing_but_probes_is_answered(path):
    """A page whose name resolves to this address learns nothing from an open service; other services need keys."""
    evil = "http://evil.example:8000"
    for method in ("GET", "HEAD"):
        assert (await ask(Settings(), method, f"{evil}{path}")).status_code == 403
    problem(await ask(Settings(), "GET", f"{evil}{path}"), 403, "forbidden")
    assert (await ask(Settings(allowed_hosts="evil.example"), "GET", f"{evil}{path}")).status_code != 403
    assert (await ask(Settings(), "GET", f"{evil}/healthz")).status_code == 200


@pytest.mark.parametrize("allowed", ["lab.example", "other.example, lab.example", "*"])
async def test_allowed_host_names_are_accepted(allowed):
    response = await ask(Settings(allowed_hosts=allowed), "GET", "http://lab.example:8000/v1/experiments")
    assert response.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8000"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Origin": "null"},
    ],
)
async def test_requests_of_foreign_pages_are_refused(headers):
    """An experiment needs no body, so that a form on any page could send it without a preflight request."""
    response = await ask(Settings(), "POST", "http://127.0.0.1:8000/v1/experiments/figure-4.1", **headers)
    assert "another site" in problem(response, 403, "forbidden")["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://behind-a-proxy.example"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://127.0.0.1:8000"},
    ],
)
async def test_requests_of_own_pages_and_programs_are_accepted(headers):
    """Only their missing body is refused."""
    response = await ask(Settings(), "POST", "http://127.0.0.1:8000/v1/trajectories", **headers)
    assert response.status_code == 415


async def test_other_sites_are_allowed_by_name_only():
    settings = Settings(cors_origins="https://lab.example")
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    url = "http://127.0.0.1:8000/v1/trajectories"
    allowed = await ask(settings, "OPTIONS", url, Origin="https://lab.example", **asked)
    assert allowed.headers["access-control-allow-origin"] == "https://lab.example"
    assert "access-control-allow-credentials" not in allowed.headers
    refused = await ask(settings, "OPTIONS", url, Origin="https://evil.example", **asked)
    assert "access-control-allow-origin" not in refused.headers
    posted = await ask(settings, "POST", url, **{"Origin": "https://lab.example", "Sec-Fetch-Site": "cross-site"})
    assert posted.status_code == 415
    assert posted.headers["access-control-allow-origin"] == "https://lab.example"
    problem(await ask(settings, "POST", url, Origin="https://evil.example"), 403, "forbidden")


async def test_by_default_no_other_site_may_read():
    for method in ("OPTIONS", "GET"):
        response = await ask(Settings(), method, "http://127.0.0.1:8000/v1/about", Origin="https://evil.example")
        assert not [name for name in response.headers if name.startswith("access-control-")]
