from hypothesis import given
from hypothesis import strategies as st

from lindyn_service.cache.memory_cache import MemoryCache

puts = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.binary(max_size=40)))


def test_returns_what_was_put() -> None:
    cache = MemoryCache(10)
    cache.put("a", b"123")
    cache.put("b", b"4567")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (b"123", b"4567", None)
    assert (cache.entries, cache.size_bytes) == (2, 7)


@given(puts)
def test_stays_within_its_bytes_and_is_never_wrong(puts: list[tuple[str, bytes]]) -> None:
    cache = MemoryCache(50)
    last: dict[str, bytes] = {}
    for name, value in puts:
        cache.put(name, value)
        last[name] = value
        kept = {name: value for name in last if (value := cache.get(name)) is not None}
        assert kept.items() <= last.items()
        assert cache.size_bytes == sum(map(len, kept.values())) <= 50
        assert cache.entries == len(kept)


def test_drops_what_was_unused_for_longest() -> None:
    cache = MemoryCache(3)
    for name in "abc":
        cache.put(name, b"1")
    cache.get("a")
    cache.put("d", b"1")
    assert [cache.get(name) for name in "abcd"] == [b"1", None, b"1", b"1"]


def test_keeps_a_value_of_just_its_size() -> None:
    cache = MemoryCache(3)
    cache.put("a", b"123")
    assert cache.get("a") == b"123"


def test_does_not_keep_a_larger_one_nor_what_it_replaces() -> None:
    cache = MemoryCache(3)
    cache.put("a", b"1")
    cache.put("b", b"1")
    cache.put("a", b"1234")
    assert (cache.get("a"), cache.get("b"), cache.size_bytes) == (None, b"1", 1)
