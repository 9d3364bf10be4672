"""Keys, headers, stored answers, and the two formats of one answer."""

import io
import itertools
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.archives import message
from support.documents import NETWORKS, TASKS, document, put
from support.flow import flat
from support.processes import long_trajectory
from support.service import NPZ, TRAJECTORIES, as_npz, post, problem, read, tag

from lindyn.wire.trajectory import QUANTITIES

pytestmark = pytest.mark.live

MEDIA = {"json": "application/json", "npz": NPZ}
FORMATS = list(MEDIA)
fresh = iter(range(10**6))


def unasked(**changes):
    """A request that no other test sends."""
    return put(document(quantities=list(QUANTITIES), **changes), "time_constant", 1.0 + next(fresh) / 1024)


@pytest.mark.parametrize("accept", FORMATS)
def test_answers_have_key_and_cache_headers(service, accept):
    response = post(service, unasked(), accept=accept)
    key = read(response)["key"]
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert response.headers["etag"] == tag(key, accept)
    assert response.headers["vary"] == "Accept"
    assert response.headers["content-type"] == MEDIA[accept]
    assert re.fullmatch(r"answer;dur=\d+\.\d\d", response.headers["server-timing"])
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("accept", FORMATS)
def test_a_miss_then_hits_of_the_same_bytes(service, accept):
    whole = unasked()
    one, two = post(service, whole, accept=accept), post(service, whole, accept=accept)
    stored = service.get(f"{TRAJECTORIES}/{read(one)['key']}", headers={"Accept": MEDIA[accept]})
    as_archive = post(service, whole, body="npz", accept=accept)
    assert [r.headers["x-cache"] for r in (one, two, stored, as_archive)] == ["miss", "hit", "hit", "hit"]
    assert one.content == two.content == stored.content == as_archive.content
    for name in ("etag", "vary", "content-type"):
        assert one.headers[name] == two.headers[name] == stored.headers[name]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("first", "second"), [("json", "npz"), ("npz", "json")])
def test_an_answer_in_the_other_format_has_the_bytes_of_a_computed_one(service, small, network, task, first, second):
    """Two services: one converts a stored answer to the format in which the other one computes it."""
    whole = unasked(network=network, task=task)
    key = read(post(service, whole, accept=first))["key"]
    converted = service.get(f"{TRAJECTORIES}/{key}", headers={"Accept": MEDIA[second]})
    computed = post(small, whole, accept=second)
    assert (converted.headers["x-cache"], computed.headers["x-cache"]) == ("hit", "miss")
    assert converted.content == computed.content
    assert post(service, whole, accept=second).headers["x-cache"] == "hit"


def test_both_formats_have_the_same_content(service):
    whole = unasked()
    one, two = (read(post(service, whole, accept=accept)) for accept in FORMATS)
    assert list(one["quantities"]) == list(two["quantities"])
    assert np.array_equal(one.pop("times"), two.pop("times"))
    arrays, others = flat(one.pop("quantities")), flat(two["quantities"])
    assert list(arrays) == list(others)
    assert all(np.array_equal(array, others[path]) for path, array in arrays.items())
    del two["quantities"]
    assert one == two


def test_arrays_of_an_archive_are_float64(service):
    with np.load(io.BytesIO(post(service, unasked(), accept="npz").content), allow_pickle=False) as archive:
        assert {"balance.lambda", "balance.residual", "loss", "times", "weights.0", "weights.1"} <= set(archive.files)
        assert {archive[name].dtype for name in archive.files if name != "metadata"} == {np.dtype(np.float64)}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "json"),
        ("application/json", "json"),
        ("text/html", "json"),
        (NPZ, "npz"),
        ("Application/X-NPZ", "npz"),
        (f"{NPZ}, application/json;q=0.5", "npz"),
        (f"application/json;q=0.5 , {NPZ} ;q=0.50", "npz"),
        (f"*/*;q=0.8,{NPZ};q=0.9", "npz"),
        (f"{NPZ};q=0.001", "npz"),
        (f"text/html, {NPZ};charset=utf-8", "npz"),
        (f"{NPZ};q=0", "json"),
        ("application/json;q=0, */*", "npz"),
        ("application/json;q=0.0, application/*;q=0.1", "npz"),
        (f"application/json;q=0, {NPZ};q=0, */*", "json"),
        ("application/json;q=0", "json"),
        (f"{NPZ};q=0.000, */*", "json"),
        (f"{NPZ};Q=0", "json"),
        (f"{NPZ};q=0.5, application/json", "json"),
        (f"{NPZ};q=0.5, */*", "json"),
        (f"{NPZ};q=0.5, application/*;q=0.6", "json"),
        (f"{NPZ}-foo", "json"),
        (f"x{NPZ}", "json"),
        (f"text/plain;a={NPZ}", "json"),
        (f"{NPZ};q=2", "json"),
        (f"{NPZ};q=nan", "json"),
        (f"{NPZ};q=-1", "json"),
        (f"{NPZ};q=", "json"),
        ("application/*", "json"),
        ("", "json"),
        (",;,q=1;", "json"),
    ],
)
def test_the_accept_header_selects_the_format(service, accept, expected):
    response = service.post(TRAJECTORIES, json=document(), headers={"Accept": accept})
    assert response.headers["content-type"] == MEDIA[expected]


def test_several_accept_headers_count_as_one(service):
    for lines, expected in ((["text/html", NPZ], "npz"), ([NPZ, f"{NPZ};q=0.5", "application/json;q=0.7"], "npz")):
        headers = [("Content-Type", "application/json"), *(("Accept", line) for line in lines)]
        request = service.build_request("POST", TRAJECTORIES, json=document(), headers=headers)
        for _ in range(2):
            assert service.send(request).headers["content-type"] == MEDIA[expected]


def test_each_format_has_its_etag(service):
    """Different bytes need different strong validators; the key is in both answers."""
    whole = document(task="semantic")
    one, two = (post(service, whole, accept=accept) for accept in ("json", "npz"))
    key = one.json()["key"]
    tags = {accept: tag(key, accept) for accept in FORMATS}
    assert (one.headers["etag"], two.headers["etag"]) == (tags["json"], tags["npz"])
    for accept, known in itertools.product(FORMATS, FORMATS):
        condition = {"If-None-Match": tags[known]}
        status = 304 if accept == known else 200
        stored = {"Accept": MEDIA[accept], **condition}
        for response in (
            post(service, whole, accept=accept, **condition),
            post(service, whole, body="npz", accept=accept, **condition),
            service.get(f"{TRAJECTORIES}/{key}", headers=stored),
            service.head(f"{TRAJECTORIES}/{key}", headers=stored),
        ):
            assert (response.status_code, response.headers["etag"]) == (status, tags[accept])


def test_a_wildcard_condition(service):
    """`*` matches any stored answer for GET, and nothing for POST."""
    whole = document(task="semantic")
    key = post(service, whole).json()["key"]
    for accept in MEDIA.values():
        condition = {"If-None-Match": "*", "Accept": accept}
        assert service.get(f"{TRAJECTORIES}/{key}", headers=condition).status_code == 304
        assert service.head(f"{TRAJECTORIES}/{key}", headers=condition).status_code == 304
        assert service.get(f"{TRAJECTORIES}/{64 * '0'}", headers=condition).status_code == 404
    assert post(service, whole, **{"If-None-Match": "*"}).status_code == 200
    assert service.get(f"{TRAJECTORIES}/{key}", headers={"If-None-Match": '"*"'}).status_code == 200


@pytest.mark.parametrize("tags", ['"{}"', 'W/"{}"', '"other", "{}"', '"other",W/"{}"'])
def test_answers_that_the_client_has_are_not_sent_again(service, tags):
    whole = document(task="semantic")
    key = post(service, whole).json()["key"]
    condition = {"If-None-Match": tags.format(key)}
    for response in (
        post(service, whole, **condition),
        post(service, whole, body="npz", **condition),
        service.get(f"{TRAJECTORIES}/{key}", headers=condition),
    ):
        assert response.status_code == 304
        assert response.content == b""
        assert response.headers["etag"] == f'"{key}"'
        assert response.headers["vary"] == "Accept"
        assert response.headers["x-request-id"]


@pytest.mark.parametrize("tags", ['"other"', "{}", '"{}x"', ""])
def test_answers_that_the_client_does_not_have_are_sent(service, tags):
    whole = document(task="semantic")
    key = post(service, whole).json()["key"]
    assert post(service, whole, **{"If-None-Match": tags.format(key)}).status_code == 200
    assert service.get(f"{TRAJECTORIES}/{key}", headers={"If-None-Match": tags.format(key)}).status_code == 200


def test_a_condition_on_a_missing_answer_is_not_found(service):
    key = 64 * "0"
    response = service.get(f"{TRAJECTORIES}/{key}", headers={"If-None-Match": f'"{key}"'})
    problem(response, 404, "not-found")


def test_concurrent_equal_requests_are_computed_once(service):
    whole = long_trajectory(200, seed=77)
    with ThreadPoolExecutor(4) as threads:
        responses = list(threads.map(lambda _: post(service, whole), range(4)))
    assert len({response.content for response in responses}) == 1
    sources = sorted(response.headers["x-cache"] for response in responses)
    assert sources.count("miss") == 1
    assert set(sources) <= {"miss", "coalesced", "hit"}


def test_equivalent_requests_share_an_answer(service):
    whole = unasked(network="weights", task="correlation")
    key = post(service, whole).json()["key"]
    other = {name: whole[name] for name in reversed(whole)}
    other["quantities"] = [*reversed(QUANTITIES), "loss"]
    other["network"] = {**whole["network"], "weights": [[[-0.0, 0.5], [-0.5, 0]], [[1, 0], [0, 1]]]}
    response = post(service, other)
    assert response.headers["x-cache"] == "hit"
    assert response.json()["key"] == key
    assert service.post(TRAJECTORIES, content=as_npz(other), headers={"Content-Type": NPZ}).json()["key"] == key
    assert post(service, put(other, "time_constant", 0.75)).json()["key"] != key


@pytest.mark.parametrize("dtype", ["f2", ">f4", "g", "i1", ">u8"])
def test_numbers_of_any_data_type_are_the_same_request(service, dtype):
    """Equal numbers have equal keys, whatever their data type in an archive."""
    whole = unasked(network="weights", task="correlation")
    numbers = {"network.weights.0": [[1, 2], [3, 4]], "network.weights.1": [[5, 6], [7, 8]]}
    whole["network"] = {"kind": "weights", "weights": list(numbers.values())}
    key = post(service, whole).json()["key"]
    metadata = whole | {"network": {"kind": "weights"}}
    arrays = {name.replace(".", "__"): np.array(value, dtype) for name, value in numbers.items()}
    response = service.post(TRAJECTORIES, content=message(metadata, **arrays), headers={"Content-Type": NPZ})
    assert response.json()["key"] == key
