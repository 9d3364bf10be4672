"""Handling of all requests: ids, log and internal errors, in the real application as an ASGI server calls it."""

import logging

import anyio
import httpx
import pytest
from support.service import problem

from lindyn_service.http.request_log import RequestLog
from lindyn_service.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

SECRET = "the password is 1234"


def client_of(app):
    """A client to which exceptions are not raised, as in production."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


async def ask(app, method, path, **options):
    async with client_of(app) as client:
        return await client.request(method, path, **options)


async def test_internal_errors_disclose_nothing(app, caplog):
    async def broken():
        raise RuntimeError(SECRET)

    app.add_api_route("/broken", broken)
    body = problem(await ask(app, "GET", "/broken", headers={"X-Request-ID": "abc"}), 500, "internal")
    assert body["request_id"] == "abc"
    assert body["detail"] == "the service failed; report the request id"
    assert body["errors"] == []
    # but the log has it, under the same id
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == "request abc failed"
    assert SECRET in str(record.exc_info[1])


async def test_exception_groups_are_internal_errors(app):
    async def broken():
        async with anyio.create_task_group():
            raise ValueError(SECRET)

    app.add_api_route("/broken", broken)
    assert SECRET not in str(problem(await ask(app, "GET", "/broken"), 500, "internal"))


async def test_an_internal_error_after_the_head_aborts_the_answer(app, caplog):
    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError(SECRET)

    app.mount("/half", half)
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/half/", "headers": [], "query_string": b"", "root_path": ""}
    with pytest.raises(RuntimeError, match=SECRET):
        await app(scope, None, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert "failed" in caplog.text


@pytest.mark.parametrize(
    ("path", "status", "level"),
    [
        ("/v1/about", 200, "INFO"),
        ("/nothing", 404, "INFO"),
        ("/v1/trajectories", 405, "INFO"),
        ("/a%0Ab%1B", 404, "INFO"),
        ("/healthz", 200, "DEBUG"),  # every few seconds, for ever
    ],
)
async def test_each_request_has_a_line_in_the_log(app, caplog, path, status, level):
    caplog.set_level(logging.DEBUG, "lindyn_service.http.request_log")
    response = await ask(app, "GET", path)
    (record,) = [record for record in caplog.records if record.name == "lindyn_service.http.request_log"]
    assert record.levelname == level
    fields = record.fields
    assert fields.pop("ms") >= 0
    route = path if status != 404 else "none"
    assert fields == {
        "id": response.headers["x-request-id"],
        "method": "GET",
        "path": path,
        "route": route,
        "status": status,
        "caller": "-",
    }


async def test_request_ids_differ(app):
    async with client_of(app) as client:
        ids = {(await client.get("/healthz")).headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


async def test_other_protocols_pass_through(app):
    """The lifespan protocol has no requests."""
    sent = []

    async def receive():
        return {"type": "lifespan.shutdown"}

    async def send(message):
        sent.append(message)

    async def inner(scope, receive, send):
        sent.append(scope["type"])

    await RequestLog(inner, Metrics())({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan"]


async def test_all_errors_of_all_routes_have_the_same_shape(app):
    """Unknown methods of all routes, and all requests that are answered without a worker."""
    async with client_of(app) as client:
        for path in (await client.get("/openapi.json")).json()["paths"]:
            problem(await client.request("TRACE", path.replace("{key}", "0")), 405, "method-not-allowed")
            problem(await client.get(f"{path}/more/of/it"), 404, "not-found")
