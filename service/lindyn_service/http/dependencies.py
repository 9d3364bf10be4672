"""Dependencies of routes, as annotated aliases."""

from typing import Annotated

from fastapi import Depends, Request

from lindyn_service.answers.service import AnswerService
from lindyn_service.configuration.settings import Settings
from lindyn_service.http.content_negotiation import wanted_format
from lindyn_service.translate.encode import Format


def _answers(request: Request) -> AnswerService:
    return request.app.state.answers


def _format(request: Request) -> Format:
    return wanted_format(request.headers.raw)


def _settings(request: Request) -> Settings:
    return request.app.state.settings


AnswersDep = Annotated[AnswerService, Depends(_answers)]
SettingsDep = Annotated[Settings, Depends(_settings)]
FormatDep = Annotated[Format, Depends(_format)]
