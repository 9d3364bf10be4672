"""Faults of the connection: requests are repeated if this is safe, and otherwise raise an error."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.gateway import Answer, Cut, Drop, Gateway, problem
from support.holding import jobs_held
from support.processes import RedisServer, Service, eventually

import lindyn
from lindyn import _endpoints
from lindyn._transport.calls import Connection, retry_after
from lindyn._transport.retry import should_retry
from lindyn.wire.problem import Problem

pytestmark = pytest.mark.live

NETWORK = lindyn.balanced([2, 2, 2], lam=0.5, seed=1)
REQUEST = {"network": NETWORK, "task": np.diag([3.0, 1.0]), "times": [0.0, 1.0]}
FRESH = itertools.count()
SWEEP = {"base": REQUEST, "axes": {"network.seed": range(3)}}


def unseen():
    """A sweep of some tens of points that are not in the cache."""
    base = {
        "network": lindyn.balanced([60, 60, 60], lam=0.5),
        "task": lindyn.regression(120, seed=next(FRESH)),
        "times": {"stop": 3.0, "num": 200},
    }
    return {"base": base, "axes": {"network.seed": range(60)}, "collect": ["loss"]}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with RedisServer() as server, Service(tcp=True, redis_url=server.url, job_workers=1) as service:
        yield service


@pytest.fixture
def gateway(service: Service) -> Iterator[Gateway]:
    with Gateway(service.url) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[lindyn.Client]:
    """A client that has reached its service before."""
    with lindyn.Client(gateway.url, patience_seconds=600) as client:
        client.about()
        gateway.seen.clear()
        yield client


@pytest.mark.parametrize("act", [Drop(), Drop(after=True), Cut()], ids=str)
def test_dropped_connections_are_opened_again(gateway, client, act):
    gateway.acts += [act, act]
    assert client.trajectory(**REQUEST).loss.shape == (2,)
    assert gateway.paths() == ["POST /v1/trajectories"] * 3


@pytest.mark.parametrize("act", [Drop(), Drop(after=True), Cut()], ids=str)
def test_a_job_is_not_created_twice(gateway, client, act):
    """The client cannot know whether the first request has reached the service."""
    before = len(client.jobs())
    gateway.acts.append(act)
    gateway.seen.clear()
    with pytest.raises(lindyn.UnreachableError, match="no answer from"):
        client.sweep(**SWEEP)
    assert gateway.paths() == ["POST /v1/sweeps"]
    assert len(client.jobs()) - before == (act != Drop())


@pytest.mark.parametrize("code", ["busy", "shutting-down"])
def test_retry_after_is_respected_also_for_jobs(gateway, client, naps, code):
    gateway.acts.append(problem(503, code, Retry_After="7"))
    job = client.sweep(**SWEEP)
    assert naps == [7.0]
    assert gateway.paths() == ["POST /v1/sweeps"] * 2
    job.result()


def test_a_job_is_not_posted_again_after_an_error_of_the_store(gateway, client):
    gateway.acts.append(problem(503, "jobs-unavailable", Retry_After="1"))
    with pytest.raises(lindyn.BusyError):
        client.sweep(**SWEEP)
    assert gateway.paths() == ["POST /v1/sweeps"]


def test_retry_after_may_be_a_date(gateway, client, naps):
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=400), usegmt=True)
    gateway.acts += [problem(503, "busy", Retry_After="1"), problem(503, "busy", Retry_After=moment)]
    client.trajectory(**REQUEST)
    assert naps == [1.0, pytest.approx(400, abs=60)]
    assert gateway.paths() == ["POST /v1/trajectories"] * 3


def test_waits_beyond_the_patience_are_raised_at_once(gateway, client):
    gateway.acts.append(problem(503, "busy", Retry_After="3600"))
    with pytest.raises(lindyn.BusyError) as caught:
        client.trajectory(**REQUEST)
    assert caught.value.retry_after_seconds == 3600
    assert len(gateway.seen) == 1


def test_dates_without_a_zone_are_utc(gateway, client):
    moment = datetime.now(UTC).replace(microsecond=0, tzinfo=None) + timedelta(hours=1)
    for zone in ("", " -0000", " GMT", " +0000"):
        gateway.acts.append(problem(503, "busy", Retry_After=f"{moment:%a, %d %b %Y %H:%M:%S}{zone}"))
        with pytest.raises(lindyn.BusyError) as caught:
            client.trajectory(**REQUEST)
        assert caught.value.retry_after_seconds == pytest.approx(3600, abs=60)


def assert_grow(naps):
    """Check that each pause is twice as long as the one before, up to half a second at random."""
    assert all(0.1 * 2**i <= nap <= 0.1 * 2**i + 0.5 for i, nap in enumerate(naps)), naps


@pytest.mark.parametrize("value", ["0", "Wed, 21 Oct 2015 07:28:00", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_past_dates_do_not_cause_immediate_retries(gateway, client, naps, value):
    """Pauses grow as after other refusals."""
    gateway.acts += [problem(503, "busy", Retry_After=value)] * 3
    client.trajectory(**REQUEST)
    assert len(gateway.seen) == 4
    assert_grow(naps)
    error = lindyn.BusyError(Problem.model_validate_json(problem(503, "busy").body), 0.0)
    assert should_retry(Connection("http://x", 10.0), _endpoints.document("/v1/about"), error) is True


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        (" 7 ", 7.0),
        ("9" * 30, 1e30),
        ("9" * 400, float("inf")),
        ("-5", None),
        ("1.5", None),
        ("nan", None),
        ("inf", None),
        ("\u0663", None),
        ("5, 5", None),
        ("2099-10-21T07:28:00Z", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2099 07:28:00 +99999999", None),
        ("Wed, 32 Oct 2099 25:61:61", None),
        ("Wed, 21 Oct 0001 07:28:00", 0.0),
        ("Sat, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", 0.0),
        ("Wed Oct 21 07:28:00 2015", 0.0),
    ],
)
def test_formats_of_retry_after(value, seconds):
    assert retry_after(value) == (None if seconds is None else pytest.approx(seconds))


@given(
    st.lists(st.sampled_from(["Wed,", "21", "Oct", "2099", "07:28:00", "-0000", "(", ")", ":", "99999", "\x00", ""]))
)
def test_any_text_of_retry_after_is_parsed_or_ignored(words):
    found = retry_after(" ".join(words))
    assert found is None or found >= 0


@pytest.mark.parametrize("value", ["soon", "", "Thu, 99 Nov 2026", "-5", "Wed, 21 Oct 99999 07:28:00"])
def test_an_invalid_retry_after_is_ignored(gateway, client, value):
    gateway.acts.append(problem(503, "busy", Retry_After=value))
    client.trajectory(**REQUEST)
    assert len(gateway.seen) == 2


def test_errors_of_proxies_are_retried(gateway, client):
    gateway.acts.append(Answer(502, {"Content-Type": "text/html"}, b"<h1>Bad Gateway</h1>"))
    client.trajectory(**REQUEST)
    gateway.acts.append(Answer(502, {"Content-Type": "text/html"}, b"<h1>Bad Gateway</h1>"))
    with pytest.raises(lindyn.UnexpectedReplyError, match="502"):
        client.sweep(**SWEEP)


@pytest.mark.parametrize("act", [problem(500, "internal"), problem(504, "deadline"), problem(422, "invalid-request")])
def test_permanent_errors_are_not_retried(gateway, client, act):
    gateway.acts.append(act)
    with pytest.raises(lindyn.ProblemError):
        client.trajectory(**REQUEST)
    assert len(gateway.seen) == 1


def test_without_patience_nothing_is_retried(gateway):
    with lindyn.Client(gateway.url, patience_seconds=0) as client:
        client.about()
        gateway.acts += [problem(503, "busy"), Drop()]
        with pytest.raises(lindyn.BusyError):
            client.trajectory(**REQUEST)
        with pytest.raises(lindyn.UnreachableError):
            client.trajectory(**REQUEST)
    assert len(gateway.seen) == 3


def test_patience_ends(gateway, naps):
    with lindyn.Client(gateway.url, patience_seconds=3) as client:
        gateway.acts += [problem(503, "busy")] * 1000
        with pytest.raises(lindyn.BusyError):
            client.about()
    assert len(gateway.seen) == len(naps) + 1
    assert sum(naps[:-1]) < 3 <= sum(naps)
    assert_grow(naps)


def test_incompatible_versions(gateway, client):
    gateway.overrides = {"X-Lindyn-Version": "7.3.1"}
    with pytest.warns(
        lindyn.VersionWarning, match=r"is lindyn 7\.3\.1.*pip install 'lindyn-7\.3\.1-py3-none-any\.whl'"
    ):
        client.about()
    client.about()  # once is enough
    with pytest.raises(lindyn.NotFoundError) as refused:
        client.stored("0" * 64)
    assert "The service is lindyn 7.3.1" in refused.value.__notes__[0]
    gateway.acts.append(Answer(200, {"X-Lindyn-Version": "7.3.1"}, b"something new"))
    with pytest.raises(lindyn.UnexpectedReplyError, match=r"cannot be read .* The service is lindyn 7\.3\.1"):
        client.trajectory(**REQUEST)


def test_compatible_versions(gateway, client):
    gateway.overrides = {"X-Lindyn-Version": lindyn.__version__.rpartition(".")[0] + ".99"}
    client.about()
    for headers, said in ((gateway.overrides, "Both are of version"), ({}, "does not state the version")):
        gateway.acts.append(Answer(200, headers, b"?"))
        with pytest.raises(lindyn.UnexpectedReplyError, match=said):
            client.about()


def test_the_client_waits_for_a_service_that_restarts(service):
    with lindyn.Client(service.url, patience_seconds=600) as client:
        first = client.trajectory(**REQUEST)
        port = int(service.url.rpartition(":")[2])
        service.kill()
        with Service(tcp=True, wait=False, embedded_cache=False, port=port) as other:
            second = client.trajectory(**REQUEST)
        assert other.process.returncode == 0
    np.testing.assert_array_equal(first.output, second.output)
    service.start()
    service.wait_until_ready()


def test_the_client_does_not_wait_for_a_service_that_never_answered():
    class Counting(httpx.HTTPTransport):
        asked = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            self.asked += 1
            return super().handle_request(request)

    transport = Counting()
    with (
        lindyn.Client("http://127.0.0.1:1", patience_seconds=60, transport=transport) as client,
        pytest.raises(lindyn.UnreachableError),
    ):
        client.about()
    assert transport.asked == 1


@pytest.mark.parametrize("streams", [Cut(), Answer(404, {"Content-Type": "text/html"}, b"no streams here")], ids=str)
def test_progress_continues_after_broken_streams(service, gateway, client, capsys, streams):
    gateway.streams = streams
    with ThreadPoolExecutor(1) as thread:
        with service.client() as http, jobs_held(service, http):
            job = client.sweep(**unseen())
            following = thread.submit(job.result, progress=True)
            eventually(lambda: len(streams_of(gateway)) > 2)
        following.result()
    resumed = [headers["Last-Event-ID"] for headers in streams_of(gateway)]
    assert list(map(int, resumed)) == sorted(map(int, resumed))
    assert "60/60" in capsys.readouterr().err


def streams_of(gateway: Gateway) -> list[dict[str, str]]:
    """Headers of all requests for events."""
    return [headers for _, path, headers in gateway.seen if path.endswith("/events")]


def test_progress_comes_from_one_stream(service, gateway, client):
    with ThreadPoolExecutor(1) as thread:
        with service.client() as http, jobs_held(service, http):
            job = client.sweep(**unseen())
            waiting = thread.submit(job.wait)
            eventually(lambda: streams_of(gateway))
        waiting.result()
    assert len(streams_of(gateway)) == 1
    assert len([path for path in gateway.paths() if path.endswith(job.id)]) == 2


def test_rules_of_repetition():
    """The rules themselves, for cases that no test can cause."""
    connection = Connection("http://x", 10.0)
    call = _endpoints.document("/v1/about")
    error = lindyn.UnreachableError()
    error.__cause__ = httpx.ConnectTimeout("")
    assert should_retry(connection, call, error) is False
    connection.reached = True
    assert should_retry(connection, call, error) is True
    error.__cause__ = httpx.ReadTimeout("")
    assert should_retry(connection, call, error) is False
    assert should_retry(connection, call, ValueError()) is False
