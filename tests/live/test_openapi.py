"""The OpenAPI document as it is served: encoded once, compressed, with an ETag; and the metric of the event loop."""

import gzip
from collections.abc import Iterator

import pytest
from support.lag import processor_seconds
from support.processes import Service, eventually

PATH = "/openapi.json"
COUNT = 100


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.mark.timed
def test_the_document_is_served_as_fast_as_any_answer(service: Service) -> None:
    with service.client() as client:
        costs = {}
        for path in ("/healthz", PATH):
            client.get(path)
            before = processor_seconds(service)
            for _ in range(COUNT):
                assert client.get(path).status_code == 200
            costs[path] = processor_seconds(service) - before
    assert costs[PATH] < 2 * costs["/healthz"]


def test_the_document_is_compressed_and_has_an_etag(service: Service) -> None:
    with service.client() as client:
        plain = client.get(PATH, headers={"Accept-Encoding": "identity"})
        packed = client.get(PATH, headers={"Accept-Encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.json() == plain.json()
        assert int(packed.headers["content-length"]) < len(gzip.compress(plain.content)) * 1.1
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        for tag in (plain.headers["etag"], packed.headers["etag"], "*"):
            known = client.get(PATH, headers={"If-None-Match": f"{tag}"})
            assert (known.status_code, known.content) == (304, b"")
        assert client.head(PATH).headers["content-length"] == packed.headers["content-length"]


def test_the_metric_of_the_event_loop_counts(service: Service) -> None:
    eventually(lambda: service.metric("lindyn_loop_lag_seconds_count") >= 3)
    assert service.metric("lindyn_loop_lag_seconds_sum") > 0
