"""Behaviour for stock clients, probes and proxies: HEAD, trailing slashes, compressed bodies, byte order marks."""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import numpy as np
import pytest
from support.archives import npy, zipped
from support.jobs import slow_sweep, submit, sweep, until
from support.processes import Service, trajectory
from support.service import NPZ, TRAJECTORIES, as_npz, problem

pytestmark = pytest.mark.live

BODY = json.dumps(trajectory(), indent=1).encode()
POSTS = ["/v1/initializations", "/v1/balance", "/v1/balance/statistics", "/v1/limits", "/v1/continual", "/v1/sweeps"]
POSTS += [TRAJECTORIES, "/v1/ensembles", "/v1/designs", "/v1/fits", "/v1/experiments/figure-3.1"]
JSON = {"Content-Type": "application/json"}
CHANGING = ("date", "x-request-id", "server-timing", "transfer-encoding")  # the last is of a body


@pytest.fixture(scope="module")
def server() -> Iterator[Service]:
    """A service on TCP, with jobs."""
    with Service(tcp=True, embedded_cache=True) as service:
        yield service


@pytest.fixture(scope="module")
def client(server: Service) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in CHANGING}


def test_head_is_get_without_the_body_wherever_get_is_served(client: httpx.Client) -> None:
    job = submit(client, {}, "/v1/experiments/figure-3.1")
    until(client, job, lambda job: job["state"] == "done")
    values = {"key": client.post(TRAJECTORIES, content=BODY, headers=JSON).json()["key"], "job_id": job}
    document = client.get("/openapi.json").json()
    paths = [path.format(**values) for path, operations in document["paths"].items() if "get" in operations]
    asset = re.search(r'"(explorer/[^"]+\.js)"', client.get("/").text)
    paths += ["/openapi.json", "/", "/docs", f"/{asset[1]}"]
    assert len(paths) >= 15
    for path in paths:
        get, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert headers(head) == headers(get), path
        assert head.headers["x-request-id"]
    assert client.head("/metrics").status_code == 200


def test_head_of_missing_pages_and_other_methods(client: httpx.Client) -> None:
    for path in ("/nothing", "/v1/jobs/none", f"{TRAJECTORIES}/{64 * '0'}"):
        assert (client.head(path).status_code, client.head(path).content) == (404, b"")
    refused = client.head("/v1/sweeps")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert client.put("/healthz").headers["allow"] == "GET, HEAD"
    assert client.put("/v1/jobs/none").headers["allow"] == "GET, HEAD, DELETE"


@pytest.mark.parametrize(
    "path",
    [
        *POSTS,
        "/v1/nothing",
        "/v1/jobs",
        "/v1/jobs/none/result",
        "/v1/experiments",
        "/v1/experiments/none",
        f"{TRAJECTORIES}/none",
        "/openapi.json",
        "/metrics",
        "/explorer/none/none.js",
        "/healthz/",
    ],
)
def test_head_is_refused_as_get_is(client: httpx.Client, path: str) -> None:
    get, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    if path != "/metrics":
        assert headers(head).keys() == headers(get).keys()
    assert head.headers.get("allow") == get.headers.get("allow")


def test_head_honours_conditions(client: httpx.Client) -> None:
    key = client.post(TRAJECTORIES, content=BODY, headers=JSON).json()["key"]
    known = client.head(f"{TRAJECTORIES}/{key}", headers={"If-None-Match": f'"{key}"'})
    assert known.status_code == 304


def test_head_of_events_ends_at_once(client: httpx.Client) -> None:
    """A GET would last until the job ends; the connection is free for the next request, and the request is logged."""
    job = submit(client, slow_sweep())
    assert client.head(f"/v1/jobs/{job}/events").headers["content-type"].startswith("text/event-stream")
    assert client.get("/healthz").status_code == 200
    assert client.get(f"/v1/jobs/{job}").json()["state"] in ("queued", "running")
    client.delete(f"/v1/jobs/{job}")


def test_head_of_a_large_answer_does_not_send_it(server: Service, client: httpx.Client) -> None:
    large = trajectory(60, 200, quantities=["output"])
    answer = client.post(TRAJECTORIES, json=large)
    assert len(answer.content) > 2**22
    head = client.head(f"{TRAJECTORIES}/{answer.json()['key']}")
    assert int(head.headers["content-length"]) == len(answer.content)
    assert head.content == b""
    assert "Traceback" not in server.log()


def test_head_is_logged_and_counted_as_such(server: Service, client: httpx.Client) -> None:
    client.head("/v1/about")
    assert " method=HEAD path=/v1/about route=/v1/about status=200 " in server.log()
    assert re.search(r'method="HEAD",route="/v1/about",status="200"', client.get("/metrics").text)


SLASHES = {
    "/healthz/": "/healthz",
    "/readyz/": "/readyz",
    "/metrics/": "/metrics",
    "/docs/": "/docs",
    "/openapi.json/": "/openapi.json",
    "/v1/about/": "/v1/about",
    "/v1/jobs/": "/v1/jobs",
    "/v1/jobs/a%20b%3Fc/": "/v1/jobs/a%20b%3Fc",
    "/v1/experiments/": "/v1/experiments",
    "/healthz/?a=b&c": "/healthz?a=b&c",
}


@pytest.mark.parametrize("path", SLASHES)
@pytest.mark.parametrize("prefix", ["", "/lab/lindyn"])
def test_a_trailing_slash_is_redirected(client: httpx.Client, path: str, prefix: str) -> None:
    """Also behind a proxy that removes a prefix, and for any Host header."""
    for host in ("localhost", "evil.example", "127.0.0.1:1"):
        answer = client.get(path, headers={"Host": host})
        if answer.status_code == 403:
            continue  # an open service does not talk to names that may be anybody's
        assert answer.status_code == 307
        location = answer.headers["location"]
        assert not re.match(r"/|[a-z]+:", location)
        asked = f"https://lab.example{prefix}{path}"
        assert urljoin(asked, location) == f"https://lab.example{prefix}{SLASHES[path]}"


def test_redirected_requests_are_answered(client: httpx.Client) -> None:
    assert client.get("/healthz/", follow_redirects=True).json() == {"status": "ok"}
    answer = client.post(f"{TRAJECTORIES}/", content=BODY, headers=JSON, follow_redirects=True)
    assert answer.status_code == 200
    assert client.head("/healthz/").status_code == 307


@pytest.mark.parametrize(
    "path", ["//healthz/", "/healthz//", "//evil.example/", "//evil.example/healthz/", "/nothing/"]
)
def test_slashes_of_unknown_paths_are_not_found(server: Service, client: httpx.Client, path: str) -> None:
    request = client.build_request("GET", "/")
    request.url = httpx.URL(server.url).copy_with(raw_path=path.encode())
    answer = client.send(request)
    problem(answer, 404, "not-found")
    assert "location" not in answer.headers


def deflated(body: bytes) -> bytes:
    return zlib.compress(body)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("deflate", deflated(BODY)),
        ("br", b"\x0b\x02\x80"),
        ("zstd", b"\x28\xb5\x2f\xfd"),
        ("identity, gzip", gzip.compress(BODY)),
        ("gzip", BODY),
        ("gzip", gzip.compress(bytes(10_000_000))),
    ],
)
def test_compressed_bodies_are_refused_by_their_encoding(client: httpx.Client, encoding: str, body: bytes) -> None:
    client.post(TRAJECTORIES, content=BODY, headers=JSON)  # now a known body
    for path in POSTS:
        answer = client.post(path, content=body, headers={**JSON, "Content-Encoding": encoding})
        said = problem(answer, 415, "unsupported-media-type")
        assert repr(encoding) in said["detail"]
        assert "uncompressed" in said["detail"]
        assert answer.headers["accept-encoding"] == "identity"


def test_several_encodings_are_refused(client: httpx.Client) -> None:
    both = [("Content-Type", "application/json"), ("Content-Encoding", ""), ("Content-Encoding", "gzip")]
    problem(client.post(TRAJECTORIES, content=BODY, headers=both), 415, "unsupported-media-type")


@pytest.mark.parametrize("media_type", [NPZ, "text/plain", "application/gzip"])
def test_a_compressed_body_of_another_type(client: httpx.Client, media_type: str) -> None:
    sent = {"Content-Type": media_type, "Content-Encoding": "gzip"}
    answer = client.post(TRAJECTORIES, content=gzip.compress(as_npz(trajectory())), headers=sent)
    problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("encoding", ["identity", "", "Identity", "identity, identity"])
def test_the_identity_encoding_is_accepted(client: httpx.Client, encoding: str) -> None:
    answer = client.post(TRAJECTORIES, content=BODY, headers={**JSON, "Content-Encoding": encoding})
    assert answer.status_code == 200


def test_a_byte_order_mark_is_skipped(client: httpx.Client) -> None:
    plain = client.post(TRAJECTORIES, content=BODY, headers=JSON)
    marked = client.post(TRAJECTORIES, content=codecs.BOM_UTF8 + BODY, headers=JSON)
    assert marked.status_code == 200
    assert marked.content == plain.content
    document = codecs.BOM_UTF8 + json.dumps(sweep()).encode()
    assert client.post("/v1/sweeps", content=document, headers=JSON).status_code == 202
    parameters = codecs.BOM_UTF8 + b'{"parameters": {"seed": 3}}'
    assert client.post("/v1/experiments/figure-3.1", content=parameters, headers=JSON).status_code == 202


def test_a_byte_order_mark_in_an_archive(client: httpx.Client) -> None:
    text = np.array("\ufeff" + json.dumps(trajectory()))
    answer = client.post(TRAJECTORIES, content=zipped([("metadata.npy", npy(text))]), headers={"Content-Type": NPZ})
    assert answer.status_code == 200


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_encodings_are_named(client: httpx.Client, encoding: str) -> None:
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else codecs.BOM_UTF32_BE if "32-be" in encoding else b""
    answer = client.post(TRAJECTORIES, content=mark + BODY.decode().encode(encoding), headers=JSON)
    assert "UTF-8" in problem(answer, 400, "malformed-body")["detail"]


@pytest.mark.parametrize("body", [codecs.BOM_UTF8, codecs.BOM_UTF8 * 2 + b"{}", b" " + codecs.BOM_UTF8 + b"{}"])
def test_byte_order_marks_within_a_body_are_malformed(client: httpx.Client, body: bytes) -> None:
    problem(client.post(TRAJECTORIES, content=body, headers=JSON), 400, "malformed-body")
