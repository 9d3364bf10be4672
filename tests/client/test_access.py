"""The client with a service that has keys and limits, and over a slow connection."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import tenacity
from support.holding import held
from support.keys import KeysFile, bearer
from support.processes import Service, eventually, trajectory

import lindyn

pytestmark = pytest.mark.live

REQUEST = {"network": lindyn.balanced([2, 2, 2], lam=0.5, seed=1), "task": np.diag([3.0, 1.0]), "times": [0.0, 1.0]}
PER_MINUTE = 20


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeysFile:
    return KeysFile(tmp_path_factory.mktemp("keys") / "keys")


@pytest.fixture(scope="module")
def service(keys: KeysFile) -> Iterator[Service]:
    keys.add("first")
    limits = {"key_requests_at_once": 1, "key_requests_per_minute": PER_MINUTE}
    probe = keys.add("probe", "metrics")
    with Service(tcp=True, api_keys_file=keys.path, probe_key=probe, **limits) as service:
        yield service


@pytest.fixture
def key(request: pytest.FixtureRequest, service: Service, keys: KeysFile) -> str:
    """A key of this test, which the service has read."""
    made = keys.add(request.node.name.partition("[")[0], getattr(request, "param", "solve"))
    with service.client(headers=bearer(made)) as client:  # the service looks at the file once a second
        eventually(lambda: client.get("/metrics").status_code != 401)
    return made


def test_requests_with_a_key_are_answered(service, key, monkeypatch):
    with lindyn.Client(service.url, api_key=key) as client:
        assert client.trajectory(**REQUEST).loss.shape == (2,)
    monkeypatch.setenv("LINDYN_API_KEY", key)
    with lindyn.Client(service.url) as client:
        assert client.trajectory(**REQUEST).loss.shape == (2,)
    with lindyn.Client(service.url, api_key="given") as client, pytest.raises(lindyn.AccessError, match="unknown"):
        client.trajectory(**REQUEST)


def test_a_missing_key_has_an_error(service):
    with lindyn.Client(service.url) as client:
        client.about()  # needs none
        with pytest.raises(lindyn.AccessError, match="Authorization: Bearer KEY") as caught:
            client.trajectory(**REQUEST)
    assert caught.value.problem.status == 401


@pytest.mark.parametrize("key", ["metrics"], indirect=True)
def test_a_key_without_the_scope_has_an_error(service, key):
    with lindyn.Client(service.url, api_key=key) as client, pytest.raises(lindyn.AccessError, match="needs solve") as e:
        client.trajectory(**REQUEST)
    assert e.value.problem.status == 403


def test_the_client_waits_for_concurrent_requests(service, key, monkeypatch):
    """Retry-After is one second, repeatedly, until the other request is answered."""
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        other.result()

    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=sleep))
    with lindyn.Client(service.url, api_key=key, patience_seconds=600) as client, ThreadPoolExecutor(1) as thread:
        with held(service, trajectory(), headers=bearer(key)) as other:
            asking = thread.submit(client.trajectory, **REQUEST)
            eventually(lambda: slept)
        assert asking.result().loss.shape == (2,)
    assert set(slept) == {1.0}
    assert other.result().status_code == 200


def test_limits_beyond_the_patience_are_raised(service, key):
    def ask() -> None:
        while True:  # a minute may end meanwhile
            client.trajectory(**REQUEST)

    with (
        lindyn.Client(service.url, api_key=key, patience_seconds=0.1) as client,
        pytest.raises(lindyn.RateLimitedError, match=f"{PER_MINUTE} requests in a minute") as caught,
    ):
        ask()
    seconds = caught.value.retry_after_seconds
    assert seconds is not None
    assert 0 < seconds <= 60


class Slow(httpx.HTTPTransport):
    """A connection that sends one byte of a body, and the others after the service has given up."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()

        def drip() -> Iterator[bytes]:
            yield content[:1]
            eventually(lambda: " status=408 " in self._service.log())
            yield content[1:]

        return super().handle_request(
            httpx.Request(request.method, request.url, headers=request.headers, content=drip())
        )


def test_a_slow_connection_has_an_error():
    with (
        Service(tcp=True, body_seconds=0.5) as service,
        lindyn.Client(service.url, transport=Slow(service)) as client,
        pytest.raises(lindyn.SlowBodyError, match=r"not complete after 0\.5 s"),
    ):
        client.trajectory(**REQUEST)
