"""One request to each route of one real service: the only test with real processes that `make test` runs."""

from collections.abc import Iterator

import httpx
import pytest
from support.jobs import finished, submit
from support.openapi import DOCUMENT, EXAMPLES, OPERATIONS, check_answer, template_fits
from support.service import asking

BODIES = {
    template: next(each["body"] for each in EXAMPLES.values() if template_fits(template, each["path"]))
    for template, method, _ in OPERATIONS
    if method == "post"
}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with asking(embedded_cache=True) as client:
        yield client


@pytest.fixture(scope="module")
def parameters(client: httpx.Client) -> dict[str, str]:
    """Values for the parameters of paths: an experiment, its job, which has ended, and the key of a trajectory."""
    (path,) = (each["path"] for each in EXAMPLES.values() if template_fits("/v1/experiments/{name}", each["path"]))
    job = submit(client, BODIES["/v1/experiments/{name}"], path)
    assert finished(client, job)["state"] == "done"
    solved = client.post("/v1/trajectories", json=BODIES["/v1/trajectories"])
    return {"name": path.rpartition("/")[2], "job_id": job, "key": solved.json()["key"]}


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_documented_route_answers_as_documented(client, parameters, path, method, operation):
    response = client.request(method, path.format(**parameters), json=BODIES[path] if method == "post" else None)
    assert response.is_success, response.text
    media_type = response.headers["content-type"].partition(";")[0]
    assert media_type in operation["responses"][str(response.status_code)]["content"]
    if media_type == "application/json":
        check_answer(response, operation)
    else:
        assert response.content


@pytest.mark.parametrize(("path", "begins"), [("/", "<!doctype html>"), ("/docs", "<!doctype html>")])
def test_a_page_for_people_is_served(client, path, begins):
    assert client.get(path).raise_for_status().text.lower().startswith(begins)


def test_the_document_is_served(client):
    assert client.get("/openapi.json").json() == DOCUMENT


def test_metrics_are_served(client):
    assert "lindyn_request_seconds" in client.get("/metrics").raise_for_status().text
