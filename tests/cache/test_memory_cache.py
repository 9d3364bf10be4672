from hypothesis import given
from hypothesis import strategies as st

from lindyn_service.cache.memory_cache import MemoryCache

puts = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.binary(max_size=40)))


def test_stored_values_are_returned() -> None:
    cache = MemoryCache(10)
    cache.put("a", b"123")
    cache.put("b", b"4567")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (b"123", b"4567", None)
    assert (cache.entries, cache.size_bytes) == (2, 7)


@given(puts)
def test_the_bound_of_bytes_holds_and_values_are_correct(puts: list[tuple[str, bytes]]) -> None:
    cache = MemoryCache(50)
    last: dict[str, bytes] = {}
    for name, value in puts:
        cache.put(name, value)
        last[name] = value
        kept = {name: value for name in last if (value := cache.get(name)) is not None}
        assert kept.items() <= last.items()
        assert cache.size_bytes == sum(map(len, kept.values())) <= 50
        assert cache.entries == len(kept)


def test_the_least_recently_used_value_is_evicted() -> None:
    cache = MemoryCache(3)
    for name in "abc":
        cache.put(name, b"1")
    cache.get("a")
    cache.put("d", b"1")
    assert [cache.get(name) for name in "abcd"] == [b"1", None, b"1", b"1"]


def test_a_value_of_the_size_of_the_cache_is_kept() -> None:
    cache = MemoryCache(3)
    cache.put("a", b"123")
    assert cache.get("a") == b"123"


def test_a_larger_value_is_not_kept_and_removes_the_one_it_replaces() -> None:
    cache = MemoryCache(3)
    cache.put("a", b"1")
    cache.put("b", b"1")
    cache.put("a", b"1234")
    assert (cache.get("a"), cache.get("b"), cache.size_bytes) == (None, b"1", 1)
