"""Each distinct request is computed once by all processes, and its answer keeps the same bytes."""

from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest
from support.holding import held, post_and_wait_until_read
from support.processes import Measured, RedisServer, Service, eventually, trajectory


@pytest.fixture(scope="module")
def both(redis_server: RedisServer) -> Iterator[tuple[Service, Service]]:
    with (
        Service(redis_url=redis_server.url, wait=False) as service,
        Service(redis_url=redis_server.url, memory_cache_bytes=0) as forgetful,
    ):
        service.wait_until_ready()
        yield service, forgetful


@pytest.fixture
def service(both: tuple[Service, Service]) -> Service:
    return both[0]


@pytest.fixture
def forgetful(both: tuple[Service, Service]) -> Service:
    """Another process on the same Redis, without a memory cache."""
    return both[1]


def post_many(services: list[Service], count: int) -> list[httpx.Response]:
    """Post the same request to each service in turn while the first one computes."""
    document = trajectory(seed=1000 + count)
    with held(services[0], document) as first:
        others = post_and_wait_until_read(services, document, count - 1)
    return [first.result(), *(other.answer() for other in others)]


def sources(answers: list[httpx.Response]) -> Counter[str]:
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    return Counter(answer.headers["X-Cache"] for answer in answers)


def test_a_second_request_is_a_hit(service: Service) -> None:
    first, second = service.post(trajectory()), service.post(trajectory())
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
    assert second.content == first.content
    assert second.headers["ETag"] == first.headers["ETag"] == f'"{first.json()["key"]}"'


def test_a_request_to_another_process_is_a_hit(service: Service, forgetful: Service) -> None:
    first, second = service.post(trajectory(seed=2)), forgetful.post(trajectory(seed=2))
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
    assert second.content == first.content


def test_concurrent_equal_requests_are_computed_once(service: Service, measured: Measured) -> None:
    found = sources(post_many([service], 20))
    measured("sources", dict(found))
    assert found == {"miss": 1, "coalesced": 19}


def test_equal_requests_to_two_processes_are_computed_once(
    service: Service, forgetful: Service, measured: Measured
) -> None:
    found = sources(post_many([service, forgetful], 21))
    measured("sources", dict(found))
    assert found["miss"] == 1
    assert found["coalesced"] >= 19  # the other one may look just when the answer is stored


def stored_name(server: RedisServer, answer: httpx.Response) -> bytes:
    """The name under which an answer is stored, after waiting until it is stored."""
    (name,) = eventually(lambda: server.keys(answer.json()["key"]))
    return name


def garbage(_value: bytes) -> bytes:
    return b'{"key": "no such thing"}'


def flipped(value: bytes) -> bytes:
    middle = len(value) // 2
    return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]


def shortened(value: bytes) -> bytes:
    return value[:-1]


@pytest.mark.parametrize("damage", [garbage, flipped, shortened])
def test_a_damaged_entry_is_computed_again(
    forgetful: Service, redis_server: RedisServer, damage: Callable[[bytes], bytes]
) -> None:
    document = trajectory(seed=hash(damage.__name__) % 2**32)
    first = forgetful.post(document)
    name = stored_name(redis_server, first)
    value = redis_server.client.get(name)
    redis_server.client.set(name, damage(value))
    second = forgetful.post(document)
    eventually(lambda: redis_server.client.get(name) == value)
    third = forgetful.post(document)
    assert [answer.headers["X-Cache"] for answer in (first, second, third)] == ["miss", "miss", "hit"]
    assert third.content == second.content == first.content
    assert f"deleting the value of {name.decode()}" in forgetful.log()


def test_the_answer_of_another_key_is_not_served(forgetful: Service, redis_server: RedisServer) -> None:
    first, other = forgetful.post(trajectory(seed=4)), forgetful.post(trajectory(seed=5))
    name, stranger = stored_name(redis_server, first), stored_name(redis_server, other)
    redis_server.client.copy(stranger, name, replace=True)
    second = forgetful.post(trajectory(seed=4))
    assert (second.headers["X-Cache"], second.content) == ("miss", first.content)


def test_the_other_format_is_a_hit(service: Service, forgetful: Service, redis_server: RedisServer) -> None:
    """JSON converted from stored npz has the bytes of a computed answer, and vice versa."""
    npz = {"Accept": "application/x-npz"}
    document = trajectory(seed=6, quantities=["loss", "output", "balance"])
    first = service.post(document, headers=npz)
    second = forgetful.post(document)
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
    redis_server.client.flushall()
    computed, back = forgetful.post(document), forgetful.post(document, headers=npz)
    assert (computed.headers["X-Cache"], back.headers["X-Cache"]) == ("miss", "hit")
    assert (computed.content, back.content) == (second.content, first.content)


def test_a_killed_process_finds_its_answers_after_a_restart(service: Service) -> None:
    known = service.post(trajectory(seed=7))
    with held(service, trajectory(seed=8)) as lost:
        service.kill()  # which leaves its socket there
        assert isinstance(lost.exception(), httpx.TransportError)
    service.start()
    service.wait_until_ready()
    again, stored = service.post(trajectory(seed=7)), service.get(f"/v1/trajectories/{known.json()['key']}")
    assert [answer.headers["X-Cache"] for answer in (known, again, stored)] == ["miss", "hit", "hit"]
    assert stored.content == again.content == known.content
