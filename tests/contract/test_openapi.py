"""The OpenAPI document and its examples: written to files, valid, and as the service behaves."""

from collections.abc import Iterator

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate
from support.documents import document
from support.jobs import FINAL, finished
from support.openapi import DOCUMENT, EXAMPLES, OPERATIONS, check_answer, operation_of, schema, schema_of_json
from support.service import asking, post, problem

from lindyn_service.configuration.settings import Settings
from lindyn_service.server.app import create_service

JOBS = ("/v1/sweeps", "/v1/fits", "/v1/experiments/")
TRAJECTORIES = [name for name, example in EXAMPLES.items() if example["path"] == "/v1/trajectories"]
STARTING = [name for name, example in EXAMPLES.items() if example["path"].startswith(JOBS)]
ANSWERED = [name for name in EXAMPLES if name not in STARTING]


@pytest.fixture(scope="module")
def jobs() -> Iterator[httpx.Client]:
    """A service that can keep jobs."""
    with asking(embedded_cache=True) as client:
        yield client


def test_the_file_is_the_document_of_the_code():
    assert create_service(Settings()).app.openapi() == DOCUMENT, "run `make openapi`"


@pytest.mark.live
def test_the_service_serves_it(service):
    assert service.get("/openapi.json").json() == DOCUMENT


def test_it_is_valid_openapi():
    validate(DOCUMENT)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda value: str(value)[:40])
def test_every_operation_is_described(path, method, operation):
    for name in ("operationId", "summary", "description"):
        assert operation[name].strip()
    assert operation["tags"]
    success = operation["responses"].get("200", operation["responses"].get("202"))["content"]
    if path.endswith("/events"):
        assert set(success) == {"text/event-stream"}
    elif "/figure." in path and not path.endswith(".json"):
        assert set(success) <= {"image/svg+xml", "image/png", "application/pdf"}
        assert len(success) == 1
    else:
        assert success["application/json"]["schema"].get("$ref", "").startswith("#/components/schemas/"), path
    for status in ("4XX", "5XX"):
        content = operation["responses"][status]["content"]
        assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert "422" not in operation["responses"]  # the framework's own, which never occurs
    if method == "post":
        assert set(operation["requestBody"]["content"]) == {"application/json", "application/x-npz"}


def test_operations_have_different_names():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)


def test_schemas_of_the_framework_are_removed():
    assert not {"HTTPValidationError", "ValidationError"} & set(DOCUMENT["components"]["schemas"])


def test_examples_cover_all_kinds():
    assert {operation_of(example["path"])["operationId"] for example in EXAMPLES.values()} == {
        operation["operationId"] for _, method, operation in OPERATIONS if method == "post"
    }
    assert len({example["summary"] for example in EXAMPLES.values()}) == len(EXAMPLES)
    bodies = [EXAMPLES[name]["body"] for name in TRAJECTORIES]
    networks = {body["network"]["kind"] for body in bodies}
    tasks = [body["task"] for body in bodies]
    methods = [body.get("method", "auto") for body in bodies]
    assert networks == {"weights", "balanced", "random"}
    kinds = {task["kind"] for task in tasks if isinstance(task, dict)}
    assert kinds == {"correlation", "data", "regression", "semantic", "spectrum"}
    assert any(isinstance(task, list) for task in tasks)
    assert {method if isinstance(method, str) else method["kind"] for method in methods} == {
        "auto",
        "exact",
        "flow",
        "descent",
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_valid(name):
    """By the schema of their operation, which an unknown field breaks."""
    example = EXAMPLES[name]
    assert set(example) == {"summary", "path", "body"}
    described = schema_of_json(operation_of(example["path"])["requestBody"])
    jsonschema.validate(example["body"], described)
    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        jsonschema.validate({**example["body"], "more": 1}, described)


@pytest.mark.live
@pytest.mark.parametrize("name", ANSWERED)
def test_examples_are_answered_as_the_document_says(service, name):
    example = EXAMPLES[name]
    response = service.post(example["path"], json=example["body"])
    assert response.status_code == 200, response.text
    check_answer(response, operation_of(example["path"]))
    expected = {"saddle": {"saddle"}, "descent-relu": {"nonlinear"}}.get(name, set())
    codes = {warning["code"] for warning in response.json().get("warnings", [])}
    assert codes - {"irreducible-loss-unknown"} == expected


@pytest.mark.live
@pytest.mark.parametrize("name", TRAJECTORIES)
def test_trajectories_have_the_requested_quantities(service, name):
    example = EXAMPLES[name]
    answer = service.post(example["path"], json=example["body"]).json()
    assert list(answer["quantities"]) == [q for q in QUANTITIES if q in example["body"]["quantities"]]


@pytest.mark.live
@pytest.mark.parametrize("name", STARTING)
def test_examples_start_jobs_as_the_document_says(jobs, name):
    """They are small enough to finish; none of their points fails."""
    example = EXAMPLES[name]
    started = jobs.post(example["path"], json=example["body"])
    assert started.status_code == 202, started.text
    check_answer(started, operation_of(example["path"]))
    path = started.headers["location"]
    ended = finished(jobs, started.json()["id"])
    assert ended["state"] == "done", ended["problem"]
    for asked in (path, f"{path}/result", "/v1/jobs", "/v1/experiments"):
        response = jobs.get(asked)
        assert response.status_code == 200, response.text
        check_answer(response, operation_of(asked, "get"))
    assert jobs.get(f"{path}/result").json().get("problems", []) == []
    cancelled = jobs.delete(path)
    check_answer(cancelled, operation_of(path, "delete"))
    assert cancelled.json()["state"] in FINAL


QUANTITIES = DOCUMENT["components"]["schemas"]["TrajectoryRequest"]["properties"]["quantities"]["items"]["enum"]


@pytest.mark.live
@pytest.mark.parametrize(("path", "name"), [("/healthz", "Health"), ("/readyz", "Readiness"), ("/v1/about", "About")])
def test_pages_about_the_service_have_the_documented_fields(service, path, name):
    response = service.get(path)
    assert response.status_code == 200
    jsonschema.validate(response.json(), schema(name))
    documented = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert documented == {"$ref": f"#/components/schemas/{name}"}
    assert set(response.json()) == set(DOCUMENT["components"]["schemas"][name]["properties"])


@pytest.mark.live
def test_problems_are_as_documented(service):
    for response, status, code in (
        (service.get("/nothing"), 404, "not-found"),
        (service.delete("/healthz"), 405, "method-not-allowed"),
        (post(service, {}), 422, "invalid-request"),
        (post(service, document(more=1)), 422, "invalid-request"),
    ):
        jsonschema.validate(problem(response, status, code), schema("Problem"))
