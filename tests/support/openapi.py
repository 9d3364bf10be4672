"""The committed OpenAPI document and its examples, and checks of responses against it."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema

_FOLDER = Path(__file__).parents[2] / "openapi"
DOCUMENT = json.loads((_FOLDER / "openapi.json").read_text())
EXAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted((_FOLDER / "examples").glob("*.json"))}
OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]


def schema(name: str) -> dict[str, Any]:
    """Look up a schema of the document by its name."""
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def template_fits(template: str, path: str) -> bool:
    """Whether a path template of the document matches a path; a parameter stands for one segment."""
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None


def operation_of(path: str, method: str = "post") -> dict[str, Any]:
    """Look up the operation of a path."""
    (match,) = (operation for template, of, operation in OPERATIONS if of == method and template_fits(template, path))
    return match


def schema_of_json(message: dict[str, Any]) -> dict[str, Any]:
    """Schema of a request body or of a response as JSON."""
    return {**message["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}


def check_answer(response: httpx.Response, operation: dict[str, Any]) -> None:
    """Assert that the status is documented, and that the body has its schema without additional fields."""
    described = schema_of_json(operation["responses"][str(response.status_code)])
    jsonschema.validate(response.json(), described)
    known = [set(message["properties"]) for message in _messages(described)]
    assert any(set(response.json()) <= names for names in known)


def _messages(described: dict[str, Any]) -> list[dict[str, Any]]:
    """Look up the schemas of the message, or of the messages, that a reference is to."""
    found = DOCUMENT["components"]["schemas"][described["$ref"].removeprefix("#/components/schemas/")]
    return [message for part in found["anyOf"] for message in _messages(part)] if "anyOf" in found else [found]
