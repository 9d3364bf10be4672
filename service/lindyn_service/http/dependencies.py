"""Dependencies of routes, as annotated aliases."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, Request

from lindyn_service.access.keys import Caller
from lindyn_service.http.content_negotiation import wanted_format
from lindyn_service.http.state import Resources, context_of, resources_of
from lindyn_service.translate.encode import Format


async def _resources(request: Request) -> Resources:
    return resources_of(request.scope)


async def _caller(request: Request) -> Caller:
    return context_of(request.scope).caller


async def _format(request: Request) -> Format:
    return wanted_format(request.headers.raw)


ResourcesDep = Annotated[Resources, Depends(_resources)]
CallerDep = Annotated[Caller, Depends(_caller)]
FormatDep = Annotated[Format, Depends(_format)]


async def _stream(resources: ResourcesDep, caller: CallerDep) -> AsyncGenerator[None]:
    with resources.streams.open(caller.name):
        yield


StreamDep = Annotated[None, Depends(_stream)]
"""Counts an event stream until it ends."""
