import sys

import pytest
from fastapi import FastAPI

from lindyn_service.answer import Answers, Limits
from lindyn_service.app import create_app
from lindyn_service.cache.memory import MemoryCache
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.settings import Settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def app() -> FastAPI:
    """The real application, not started: what needs a worker is tested in contract/ and live/."""
    app = create_app(Settings(max_body_bytes=1000, workers=1, embedded_cache=False))
    engine = ProcessEngine(workers=1, queue=0, deadline_seconds=1)
    app.state.engine = engine
    app.state.answers = Answers(engine, MemoryCache(1000), None, Limits(1000, 1000, 1000, 1))
    return app


@pytest.fixture
def light_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the workers from importing pytest: anyio has each run the parent's main module."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
