import sys

import pytest
from fastapi import FastAPI

from lindyn_service.answers.service import AnswerService, RequestLimits
from lindyn_service.cache.memory_cache import MemoryCache
from lindyn_service.configuration.settings import Settings
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.server.app import create_app


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def app() -> FastAPI:
    """The real application, not started: what needs a worker is tested in contract/ and live/."""
    app = create_app(Settings(max_body_bytes=1000, workers=1, embedded_cache=False))
    engine = ProcessEngine(workers=1, queue=0, deadline_seconds=1)
    app.state.engine = engine
    app.state.answers = AnswerService(engine, MemoryCache(1000), None, RequestLimits(1000, 1000, 1000, 1))
    return app


@pytest.fixture
def light_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the workers from importing pytest: anyio has each run the parent's main module."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
