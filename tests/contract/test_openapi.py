"""The OpenAPI document and its examples: written to files, valid, and what the service really does."""

import json
from pathlib import Path

import jsonschema
import pytest
from openapi_spec_validator import validate
from support.documents import document
from support.service import post, problem

from lindyn_service.app import create_app
from lindyn_service.settings import Settings

FOLDER = Path(__file__).parents[2] / "openapi"
WRITTEN = json.loads((FOLDER / "openapi.json").read_text())
EXAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "examples").glob("*.json"))}
OPERATIONS = [
    (path, method, operation) for path, methods in WRITTEN["paths"].items() for method, operation in methods.items()
]


def schema(name):
    return {"$ref": f"#/components/schemas/{name}", "components": WRITTEN["components"]}


def test_the_file_is_what_the_code_says():
    assert create_app(Settings()).openapi() == WRITTEN, "run `make openapi`"


@pytest.mark.live
def test_the_service_serves_it(service):
    assert service.get("/openapi.json").json() == WRITTEN


def test_it_is_valid_openapi():
    validate(WRITTEN)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda value: str(value)[:40])
def test_every_operation_is_described(path, method, operation):
    for name in ("operationId", "summary", "description"):
        assert operation[name].strip()
    assert operation["tags"]
    success = operation["responses"].get("200", operation["responses"].get("202"))["content"]
    if path.endswith("/events"):
        assert set(success) == {"text/event-stream"}
    elif "/figure." in path:
        assert len(success) == 1
        assert next(iter(success)).startswith("image/")
    else:
        assert success["application/json"]["schema"].get("$ref", "").startswith("#/components/schemas/"), path
    for status in ("4XX", "5XX"):
        content = operation["responses"][status]["content"]
        assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert "422" not in operation["responses"]  # the framework's own, which never occurs
    if method == "post":
        assert set(operation["requestBody"]["content"]) == {"application/json", "application/x-npz"}


def test_operations_have_names_of_their_own():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)


def test_nothing_of_the_framework_is_left():
    assert not {"HTTPValidationError", "ValidationError"} & set(WRITTEN["components"]["schemas"])


def test_examples_cover_all_kinds():
    assert 6 <= len(EXAMPLES) <= 12
    networks = {example["body"]["network"]["kind"] for example in EXAMPLES.values()}
    tasks = [example["body"]["task"] for example in EXAMPLES.values()]
    assert networks == {"weights", "balanced"}
    kinds = {task["kind"] for task in tasks if isinstance(task, dict)}
    assert kinds == {"correlation", "data", "regression", "semantic", "spectrum"}
    assert any(isinstance(task, list) for task in tasks)
    assert len({example["summary"] for example in EXAMPLES.values()}) == len(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_valid(name):
    example = EXAMPLES[name]
    assert set(example) == {"summary", "path", "body"}
    assert "post" in WRITTEN["paths"][example["path"]]
    jsonschema.validate(example["body"], schema("TrajectoryRequest"))


@pytest.mark.live
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_answered_as_the_document_says(service, name):
    example = EXAMPLES[name]
    response = service.post(example["path"], json=example["body"])
    assert response.status_code == 200, response.text
    jsonschema.validate(response.json(), schema("TrajectoryReply"))
    assert list(response.json()["quantities"]) == [q for q in QUANTITIES if q in example["body"]["quantities"]]
    codes = {warning["code"] for warning in response.json()["warnings"]} - {"irreducible-loss-unknown"}
    assert codes == ({"saddle"} if name == "saddle" else set())


QUANTITIES = WRITTEN["components"]["schemas"]["TrajectoryRequest"]["properties"]["quantities"]["items"]["enum"]


@pytest.mark.live
@pytest.mark.parametrize(("path", "name"), [("/healthz", "Health"), ("/readyz", "Readiness"), ("/v1/about", "About")])
def test_what_the_service_says_of_itself(service, path, name):
    response = service.get(path)
    assert response.status_code == 200
    jsonschema.validate(response.json(), schema(name))
    documented = WRITTEN["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert documented == {"$ref": f"#/components/schemas/{name}"}
    assert set(response.json()) == set(WRITTEN["components"]["schemas"][name]["properties"])


@pytest.mark.live
def test_problems_are_as_documented(service):
    for response, status, code in (
        (service.get("/nothing"), 404, "not-found"),
        (service.delete("/healthz"), 405, "method-not-allowed"),
        (post(service, {}), 422, "invalid-request"),
        (post(service, document(more=1)), 422, "invalid-request"),
    ):
        jsonschema.validate(problem(response, status, code), schema("Problem"))
