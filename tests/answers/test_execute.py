"""Results of a worker for a request: the answer and the method that solved it."""

import json

import pytest
from support.documents import MESSAGES, document

from lindyn.wire import npz
from lindyn.wire.document import read
from lindyn_service.operations import execute
from lindyn_service.operations.execute import AnswerBounds
from lindyn_service.operations.registry import OPERATIONS, TRAJECTORY, normalise
from lindyn_service.spool.store import Spool

BOUNDS = AnswerBounds(10**8, 10**8)
OTHERS = {name: operation for name, operation in OPERATIONS.items() if operation is not TRAJECTORY}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("method", ["exact", "flow", "descent"])
@pytest.mark.parametrize("form", ["json", "npz"])
def test_the_method_is_that_of_the_answer(method, form):
    asked = {"kind": "descent", "learning_rate": 0.01} if method == "descent" else method
    request, key = normalise(TRAJECTORY, read(TRAJECTORY.model, document(method=asked)))
    computed = execute.answer(TRAJECTORY.name, request, key, form, BOUNDS, None)
    metadata = json.loads(computed.body) if form == "json" else npz.unpack(computed.body, largest_bytes=10**6)[0]
    assert computed.method == metadata["method"] == method


def test_other_operations_have_no_method():
    for name, message in zip(OTHERS, MESSAGES.values(), strict=True):
        request, key = normalise(OTHERS[name], read(OTHERS[name].model, message))
        assert execute.answer(name, request, key, "json", BOUNDS, None).method == "none"


@pytest.mark.anyio
async def test_the_file_of_an_answer_has_its_method(tmp_path):
    spool = Spool(tmp_path, 10**7)
    request, key = normalise(TRAJECTORY, read(TRAJECTORY.model, document(method="flow")))
    with spool.destination("a") as destination:
        computed = execute.answer(TRAJECTORY.name, request, key, "json", AnswerBounds(10**8, 10), destination)
    stored = await spool.find("a")
    assert (computed.method, computed.body, stored.note) == ("flow", None, "flow")
    assert json.loads(stored.read())["method"] == "flow"
