"""An operation of the registry has a route and a description without further code."""

import httpx
import pytest
from support.answering import InProcessEngine
from support.resources import attach, idle_resources

from lindyn.wire.base import Reply, Request
from lindyn_service.answers.service import AnswerService, RequestLimits
from lindyn_service.cache.memory_cache import MemoryCache
from lindyn_service.configuration.settings import Settings
from lindyn_service.methods.cost import Cost
from lindyn_service.operations.registry import OPERATIONS, Operation
from lindyn_service.server.app import create_service

pytestmark = pytest.mark.anyio


class SumRequest(Request):
    numbers: list[int]


class SumReply(Reply):
    key: str
    total: int


SUM = Operation(
    name="sums",
    path="/v1/sums",
    operation_id="add_numbers",
    summary="Add numbers",
    description="Return the sum of numbers.",
    model=SumRequest,
    reply=SumReply,
    compute=lambda request, key: {"key": key, "total": sum(request.numbers)},
    cost=lambda request: Cost(len(request.numbers), 1, 0),
    remedy="send fewer numbers",
    conflicts=lambda request: [] if request.numbers else [("numbers", "there are none; send one")],
)


async def test_an_operation_of_the_registry_has_a_route_and_a_description(monkeypatch):
    monkeypatch.setitem(OPERATIONS, SUM.name, SUM)
    settings = Settings()
    limits = RequestLimits(10**6, 10**6, 1010, 60.0)  # encoding the answer counts as 1000
    async with AnswerService(InProcessEngine(), MemoryCache(10**6), None, limits) as answers:
        app = attach(create_service(settings).app, idle_resources(settings, answers=answers))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            document = (await client.get("/openapi.json")).json()
            sources = []
            for _ in range(2):
                response = await client.post("/v1/sums", json={"numbers": [1, 2, 3]})
                assert (response.status_code, response.json()["total"]) == (200, 6)
                sources.append(response.headers["x-cache"])
            refused = await client.post("/v1/sums", json={"numbers": list(range(11))})
            invalid = await client.post("/v1/sums", json={"numbers": []})
    assert sources == ["miss", "hit"]
    assert (refused.status_code, refused.json()["detail"].endswith("send fewer numbers")) == (422, True)
    assert (invalid.status_code, invalid.json()["errors"][0]["path"]) == (422, "numbers")
    described = document["paths"]["/v1/sums"]["post"]
    assert (described["operationId"], described["tags"]) == ("add_numbers", ["analyses"])
    assert {"SumRequest", "SumReply"} <= document["components"]["schemas"].keys()
