"""The OpenAPI document: FastAPI's description of the routes, completed by the bodies that routes read themselves."""

import json
from typing import Any, TypeAlias

import anyio
from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from lindyn.wire import npz
from lindyn.wire.base import JSON_MEDIA_TYPE
from lindyn.wire.fit import FitRequest
from lindyn.wire.fit_reply import JobResult
from lindyn.wire.job import ExperimentRequest, Job
from lindyn.wire.problem import Problem
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.tree import JSON
from lindyn_service.http.assets import Asset, asset_response
from lindyn_service.http.authentication import needed_scope
from lindyn_service.operations.registry import OPERATIONS

Part: TypeAlias = dict[str, Any]
"""A part of an OpenAPI document, typed as FastAPI types it."""

_JOB_MESSAGES: tuple[type[BaseModel], ...] = (SweepRequest, FitRequest, ExperimentRequest, Job, JobResult)

Links = dict[str, dict[str, JSON]]
"""Links of a response, by name."""

_REFERENCE = "#/components/schemas/{model}"
_KEY = {"type": "http", "scheme": "bearer", "description": "An API key, where the service needs one."}
_EVENTS = 'event: progress\ndata: {"id": "0123456789abcdef0123456789abcdef", "state": "running", ...}\nid: 12\n\n'
_JOB_OPERATIONS = ("get_job", "cancel_job", "job_result", "job_figure_svg", "job_figure_png", "job_events")
_BINARY: Part = {"schema": {"type": "string", "format": "binary"}}


def _content(model: type[BaseModel]) -> Part:
    return {
        "application/json": {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}},
        npz.MEDIA_TYPE: _BINARY,
    }


def body(model: type[BaseModel], *, required: bool = True) -> Part:
    """Describe the body of a request that the route reads itself."""
    return {"requestBody": {"required": required, "content": _content(model)}}


def answers(model: type[BaseModel], links: Links | None = None) -> dict[int | str, Part]:
    """Describe the responses of a route that answers with this message, with links to the operations that use it."""
    return {
        200: {
            "description": "The answer. X-Cache is hit, miss or coalesced; ETag is made of key and format.",
            "content": _content(model),
            **({} if links is None else {"links": links}),
        },
        304: {"description": "The client already has the answer in this format (If-None-Match)."},
        "4XX": {"description": "The request cannot be answered as it is."},
        "5XX": {"description": "The service cannot answer now."},
    }


def accepted(model: type[BaseModel]) -> dict[int | str, Part]:
    """Describe the responses of a route that starts a job."""
    content = {"application/json": {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}
    links = {name: {"operationId": name, "parameters": {"job_id": "$response.body#/id"}} for name in _JOB_OPERATIONS}
    return {202: {"description": "The job; Location is its address.", "content": content, "links": links}}


def result(model: type[BaseModel]) -> dict[int | str, Part]:
    """Describe the responses of a route that returns the result of a job."""
    return {200: {"description": "The result.", "content": _content(model)}}


def picture(media_type: str) -> dict[int | str, Part]:
    """Describe the responses of a route that returns a figure."""
    return {200: {"description": "The figure.", "content": {media_type: _BINARY}}}


def install(app: FastAPI) -> None:
    """Serve the completed document at /openapi.json; it is built at the first request for it."""

    def completed() -> Part:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = completed
    asset = _OpenApiAsset(app)

    async def openapi_json(request: Request) -> Response:
        return asset_response(request, await asset.get(), {})

    app.add_api_route("/openapi.json", openapi_json, include_in_schema=False)


class _OpenApiAsset:
    """The document as an asset; it is built once, in a thread, since building it would block the event loop."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._lock = anyio.Lock()
        self._asset: Asset | None = None

    async def get(self) -> Asset:
        async with self._lock:
            if self._asset is None:
                self._asset = await anyio.to_thread.run_sync(self._build)
        return self._asset

    def _build(self) -> Asset:
        text = json.dumps(self._app.openapi(), ensure_ascii=False, separators=(",", ":"))
        return Asset(text.encode(), JSON_MEDIA_TYPE)


def document(app: FastAPI) -> Part:
    """Build the document with the schemas of all messages."""
    schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    of_operations = [model for each in OPERATIONS.values() for model in (each.model, each.reply)]
    models = (*of_operations, *_JOB_MESSAGES, Problem)
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    components |= definitions["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    problem = {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(model="Problem")}}}
    schema["components"]["securitySchemes"] = {"key": _KEY}
    for path, operations in schema["paths"].items():
        scope = needed_scope(path)
        for operation in operations.values():
            _complete(operation["responses"], problem)
            if scope is not None:
                operation["security"] = [{"key": [scope]}, {}]
    return schema


def _complete(responses: Part, problem: Part) -> None:
    """Describe errors as problems, and remove the validation errors of the framework, which does not validate here."""
    responses.pop("422", None)
    for response in responses.values():
        if "text/event-stream" in response.get("content", {}):
            # FastAPI describes events with a keyword of OpenAPI 3.2, which a document of version 3.1 must not have
            response["content"]["text/event-stream"] = {"example": _EVENTS}
    for status, text in (
        ("4XX", "The request cannot be answered as it is."),
        ("5XX", "The service cannot answer."),
    ):
        responses[status] = {"description": text, "content": problem}
