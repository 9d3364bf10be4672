"""Bodies that are recognised by their digest have the same answers, headers, refusals and log lines as parsed ones."""

import itertools
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.holding import held, post_and_wait_until_read
from support.keys import KeysFile, bearer, early_in_a_window
from support.processes import Service, eventually, trajectory
from support.service import NPZ, TRAJECTORIES, as_npz, problem

from lindyn_service.engine.admission import UNREAD_SECONDS

JSON = "application/json"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def send(http, content, path=TRAJECTORIES, media_type=JSON, **headers) -> httpx.Response:
    return http.post(path, content=content, headers={"Content-Type": media_type, **headers})


def body(**changes) -> bytes:
    return json.dumps(trajectory(**changes)).encode()


def test_a_known_body_has_the_headers_of_a_parsed_one(http):
    one = send(http, body(seed=1))
    known, read = send(http, body(seed=1)), send(http, body(seed=1) + b" ")
    assert [answer.headers["x-cache"] for answer in (one, known, read)] == ["miss", "hit", "hit"]
    assert one.content == known.content == read.content
    assert set(known.headers) == set(read.headers)
    for name in set(known.headers) - {"date", "x-request-id", "server-timing"}:
        assert known.headers[name] == read.headers[name]
    assert re.fullmatch(r"answer;dur=\d+\.\d\d", known.headers["server-timing"])


def test_formats_do_not_mix(http):
    for accept in (JSON, NPZ, JSON, NPZ, "*/*"):
        answer = send(http, body(seed=2), Accept=accept)
        assert answer.headers["content-type"] == (NPZ if accept == NPZ else JSON)
        assert answer.content.startswith(b"PK" if accept == NPZ else b"{")
    archive = as_npz(trajectory(seed=2))
    for _ in range(2):
        assert send(http, archive, media_type=NPZ, Accept=JSON).json() == send(http, body(seed=2)).json()
        problem(send(http, archive, media_type=JSON), 400, "malformed-body")
        problem(send(http, body(seed=2), media_type=NPZ), 400, "malformed-body")
        problem(send(http, body(seed=2), media_type="text/plain"), 415, "unsupported-media-type")


def test_routes_do_not_mix(http):
    content = json.dumps({"network": trajectory()["network"], "task": trajectory()["task"]}).encode()
    for _ in range(2):
        answers = [send(http, content, path=f"/v1/{name}") for name in ("initializations", "limits")]
        assert [answer.status_code for answer in answers] == [200] * 2
        assert len({answer.headers["etag"] for answer in answers}) == 2
        assert ["weights" in answer.json() for answer in answers] == [True, False]
        problem(send(http, content), 422, "invalid-request")
        problem(send(http, content, path="/v1/nothing"), 404, "not-found")


@pytest.mark.parametrize("where", ["network", "task"])
def test_omitted_seeds_are_drawn_for_each_request(http, where):
    document = trajectory()
    del document[where]["seed"]
    content = json.dumps(document).encode()
    answers = [send(http, content) for _ in range(4)]
    assert {answer.headers["x-cache"] for answer in answers} == {"miss"}
    seed = "seed" if where == "network" else "task_seed"
    assert len({answer.json()[seed] for answer in answers}) == 4


def test_conditions_are_honoured(http):
    key = send(http, body(seed=3)).json()["key"]
    for tags, status in ((f'"{key}"', 304), (f'W/"{key}", "x"', 304), ('"x"', 200), (key, 200)):
        answer = send(http, body(seed=3), **{"If-None-Match": tags})
        assert answer.status_code == status
        assert bool(answer.content) == (status == 200)
        assert answer.headers["etag"] == f'"{key}"'
        assert answer.headers["vary"] == "Accept"
        assert answer.headers["x-request-id"]


def test_each_format_has_its_etag(http):
    for _ in range(2):
        tags = {accept: send(http, body(seed=2), Accept=accept).headers["etag"] for accept in (JSON, NPZ)}
        assert tags[NPZ] == f'{tags[JSON][:-1]}-npz"'
        for accept, tag in itertools.product(tags, tags):
            known = send(http, body(seed=2), Accept=accept, **{"If-None-Match": tags[tag]})
            assert known.status_code == (304 if accept == tag else 200)
        assert send(http, body(seed=2), **{"If-None-Match": "*"}).status_code == 200
        assert send(http, body(seed=2), Accept=f"{NPZ};q=0").headers["content-type"] == JSON


def test_refused_bodies_are_refused_again(http):
    wrong = json.dumps(trajectory() | {"more": 1}).encode()
    for _ in range(3):
        problem(send(http, wrong), 422, "invalid-request")


def test_known_bodies_have_ids_and_log_lines(service, http):
    for name in ("known-0", "known-1", "known-2"):
        assert send(http, body(seed=4), **{"X-Request-ID": name}).headers["x-request-id"] == name
    lines = [next(line for line in service.log().splitlines() if f"id=known-{i}" in line) for i in range(3)]
    notes = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in lines]
    assert [each["cache"] for each in notes] == ["miss", "hit", "hit"]
    for name in ("method", "path", "route", "status", "caller", "operation", "solver", "flops"):
        assert len({each[name] for each in notes}) == 1
    assert notes[2]["route"] == TRAJECTORIES
    assert notes[2]["solver"] == "exact"


def test_known_bodies_are_counted(http):
    def hits() -> tuple[float, float]:
        text = http.get("/metrics").text
        answers = re.search(r'lindyn_answers_total\{operation="trajectories",solver="exact",source="hit"\} (\S+)', text)
        requests = re.search(r'_seconds_count\{method="POST",route="/v1/trajectories",status="200"\} (\S+)', text)
        return float(answers[1]), float(requests[1])

    for _ in range(2):
        send(http, body(seed=5))
    before = hits()
    for _ in range(3):
        send(http, body(seed=5))
    assert hits() == (before[0] + 3, before[1] + 3)


def test_a_body_whose_answer_was_evicted_is_computed_again():
    with Service(memory_cache_bytes=0) as service, service.client() as http:
        answers = [send(http, body(seed=6)) for _ in range(3)]
    assert [answer.headers["x-cache"] for answer in answers] == ["miss"] * 3
    assert len({answer.content for answer in answers}) == 1


def test_large_bodies_in_many_pieces(http):
    padded = body(seed=7) + b" " * 1_000_000
    answers = [send(http, padded) for _ in range(3)]
    assert [answer.headers["x-cache"] for answer in answers] == ["miss", "hit", "hit"]


def test_many_known_bodies_at_once(http):
    bodies = [body(seed=100 + i) for i in range(5)]
    expected = [send(http, content).content for content in bodies]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda i: send(http, bodies[i % 5]).content, range(200)))
    assert found == [expected[i % 5] for i in range(200)]


def test_keys_and_limits_are_checked_first(tmp_path):
    keys = KeysFile(tmp_path / "keys")
    good, other = keys.add("first"), keys.add("second", "metrics")
    with Service(api_keys_file=keys.path, key_requests_per_minute=5) as service, service.client() as http:
        early_in_a_window(60, room_seconds=20)
        for _ in range(2):
            assert send(http, body(), **bearer(good)).status_code == 200
        problem(send(http, body()), 401, "unauthorized")
        problem(send(http, body(), **bearer("lindyn_" + "x" * 43)), 401, "unauthorized")
        problem(send(http, body(), **bearer(other)), 403, "forbidden")
        for _ in range(3):
            assert send(http, body(), **bearer(good)).status_code == 200
        problem(send(http, body(), **bearer(good)), 429, "rate-limited")
        keys.remove(good)
        eventually(lambda: send(http, body(), **bearer(good)).status_code == 401)


def test_foreign_pages_are_refused():
    with Service(tcp=True) as service, service.client() as http:
        for _ in range(2):
            assert send(http, body()).status_code == 200
        problem(send(http, body(), Origin="https://elsewhere.example"), 403, "forbidden")
        problem(send(http, body(), Host="elsewhere.example"), 403, "forbidden")


def test_an_overloaded_service_refuses_unknown_bodies_only():
    """A persistent queue refuses new bodies unread, unless their answer is stored or being computed."""

    def turned_away(http) -> bool:
        send(http, body(seed=next(seeds)))
        answer = send(http, b"{")
        if answer.status_code == 400:
            return False
        problem(answer, 503, "busy")
        return True

    seeds = itertools.count(1000)
    slow = trajectory(seed=2)
    with Service(queue=0, queue_seconds=0.3) as service, service.client() as http:
        send(http, body())
        with held(service, slow) as first:
            eventually(lambda: turned_away(http))
            (second,) = post_and_wait_until_read([service], slow, 1)
            assert send(http, body()).headers["x-cache"] == "hit"
            time.sleep(2 * UNREAD_SECONDS)
            problem(send(http, b"{"), 400, "malformed-body")  # where few ask, all are read
            service.stop()
            for answer in (first.result(), second.answer()):
                problem(answer, 503, "shutting-down")
