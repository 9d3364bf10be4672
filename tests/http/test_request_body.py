"""Reading bodies within limits, in chunks, and clients that disconnect while they send."""

import json
import logging

import pytest
from support.archives import message

pytestmark = pytest.mark.anyio

VALID = b'{"more": 1}'  # readable; refused later, by its fields


async def send_body(app, chunks, content_type="application/json", end="body"):
    """Call the application as a server does; return status, body and the number of chunks that were read."""
    taken = 0
    sent = {}

    async def receive():
        nonlocal taken
        if taken < len(chunks):
            taken += 1
            more = taken < len(chunks) or end != "body"
            return {"type": "http.request", "body": chunks[taken - 1], "more_body": more}
        return {"type": "http.disconnect"}

    async def send(part):
        sent.setdefault(part["type"], part)

    headers = [(b"content-type", content_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/trajectories", "headers": headers, "query_string": b""}
    await app({**scope, "root_path": "", "http_version": "1.1", "scheme": "http"}, receive, send)
    body = sent["http.response.body"].get("body", b"")
    return sent["http.response.start"]["status"], json.loads(body) if body else None, taken


async def test_a_body_in_many_chunks_is_joined(app):
    chunks = [VALID[i : i + 1] for i in range(len(VALID))]
    status, body, taken = await send_body(app, chunks)
    assert (status, taken) == (422, len(chunks))
    (unknown,) = [error["detail"] for error in body["errors"] if error["path"] == "more"]
    assert unknown.startswith("this field is unknown, allowed are ")


async def test_empty_chunks(app):
    status, _, _ = await send_body(app, [b"", VALID[:3], b"", VALID[3:], b""])
    assert status == 422


@pytest.mark.parametrize(("size", "status"), [(1000, 422), (1001, 413)])
async def test_the_limit_is_inclusive(app, size, status):
    assert (await send_body(app, [VALID.ljust(size)]))[0] == status
    assert (await send_body(app, [VALID, b" " * (size - len(VALID))]))[0] == status


async def test_reading_stops_at_the_limit(app):
    status, body, taken = await send_body(app, [b" " * 400] * 1000)
    assert (status, taken) == (413, 3)
    assert body["code"] == "body-too-large"
    assert "more than 1000 bytes, the limit" in body["detail"]


async def test_a_body_of_the_wrong_type_is_not_read(app):
    status, _, taken = await send_body(app, [VALID] * 1000, "text/plain")
    assert (status, taken) == (415, 0)


async def test_archives_have_the_same_limit(app):
    archive = message({"more": 1})
    status, body, _ = await send_body(app, [archive[:100], archive[100:]], "application/x-npz")
    assert status == 422
    (unknown,) = [error["detail"] for error in body["errors"] if error["path"] == "more"]
    assert unknown.startswith("this field is unknown, allowed are ")
    assert (await send_body(app, [archive + bytes(1001)], "application/x-npz"))[0] == 413


async def test_a_client_that_disconnects_while_sending_is_not_an_internal_error(app, caplog):
    caplog.set_level(logging.INFO)
    status, body, _ = await send_body(app, [b'{"network":'], end="disconnect")
    assert (status, body) == (499, None)
    assert [record.levelno for record in caplog.records if record.levelno > logging.INFO] == []
    fields = caplog.records[-1].fields
    assert (fields["method"], fields["path"], fields["status"]) == ("POST", "/v1/trajectories", 499)
