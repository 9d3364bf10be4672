import sys

import pytest
from fastapi import FastAPI
from support.resources import idle_application

from lindyn_service.configuration.settings import Settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def app() -> FastAPI:
    """The real application, not started."""
    return idle_application(Settings(max_body_bytes=1000, workers=1, embedded_cache=False))


@pytest.fixture
def light_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the workers from importing pytest: anyio has each run the parent's main module."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
