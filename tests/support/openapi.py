"""The OpenAPI document and its examples as they are written, and whether an answer is what the document says."""

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
    """A schema of the document by its name."""
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def template_fits(template: str, path: str) -> bool:
    """Tell whether a path of the document serves this path: a parameter stands for one part of it."""
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None


def operation_of(path: str, method: str = "post") -> dict[str, Any]:
    """The operation that serves a path."""
    (found,) = (operation for template, of, operation in OPERATIONS if of == method and template_fits(template, path))
    return found


def schema_of_json(message: dict[str, Any]) -> dict[str, Any]:
    """What the document says of a request body, or of an answer, as JSON."""
    return {**message["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}


def check_answer(response: httpx.Response, operation: dict[str, Any]) -> None:
    """The status is documented, the answer has the schema of that status, and nothing that the schema does not know."""
    described = schema_of_json(operation["responses"][str(response.status_code)])
    jsonschema.validate(response.json(), described)
    known = DOCUMENT["components"]["schemas"][described["$ref"].removeprefix("#/components/schemas/")]["properties"]
    assert set(response.json()) <= set(known)
