"""The JSON schema agrees with the validators, as far as a schema can express their rules."""

import jsonschema
import pytest
from support.documents import METHODS, NETWORKS, TASKS, TIMES, document, message, put

from lindyn.wire.asymptotics import LimitsReply, LimitsRequest
from lindyn.wire.balance import (
    BalanceReply,
    BalanceRequest,
    InitializationReply,
    InitializationRequest,
    StatisticsReply,
    StatisticsRequest,
)
from lindyn.wire.continual import ContinualReply, ContinualRequest
from lindyn.wire.design import DesignReply, DesignRequest
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.ensemble import EnsembleReply, EnsembleRequest
from lindyn.wire.problem import Problem
from lindyn.wire.trajectory import ReplyWarning, TrajectoryReply, TrajectoryRequest

SCHEMA = TrajectoryRequest.model_json_schema()
MESSAGES = {
    "initialization": InitializationRequest,
    "balance": BalanceRequest,
    "statistics": StatisticsRequest,
    "limits": LimitsRequest,
    "continual": ContinualRequest,
    "ensemble": EnsembleRequest,
    "design": DesignRequest,
}
REPLIES = [TrajectoryReply, InitializationReply, BalanceReply, StatisticsReply, LimitsReply, ContinualReply]
REPLIES += [EnsembleReply, DesignReply, Problem]

RANDOM = {"kind": "random", "dims": [2, 3, 2], "scheme": "he"}


@pytest.mark.parametrize("model", [TrajectoryRequest, *MESSAGES.values(), *REPLIES])
def test_schemas_are_valid(model):
    jsonschema.Draft202012Validator.check_schema(model.model_json_schema())


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("network", NETWORKS)
def test_valid_requests(network, task, times):
    jsonschema.validate(document(network, task, times), SCHEMA)


@pytest.mark.parametrize("method", [*METHODS.values(), "auto", "exact", "flow"], ids=str)
def test_valid_methods(method):
    jsonschema.validate(document(method=method), SCHEMA)


@pytest.mark.parametrize("gain", [0, 2, [1.0], [1.0, 2.0]], ids=str)
def test_valid_gains(gain):
    jsonschema.validate(put(document("random"), "network.gain", gain), SCHEMA)


@pytest.mark.parametrize("name", MESSAGES)
def test_valid_messages(name):
    jsonschema.validate(message(name), MESSAGES[name].model_json_schema())


def test_the_request_of_the_documentation():
    """The body that the page about the API shows."""
    whole = {
        "network": {
            "kind": "balanced",
            "dims": [5, 5, 5],
            "lambda": 2.0,
            "scale": 0.5,
            "aligned": False,
            "seed": 7,
        },
        "task": {"kind": "correlation", "sigma_yx": [[float(i == j) for i in range(5)] for j in range(5)]},
        "times": {"start": 0, "stop": 10, "num": 200, "spacing": "linear"},
        "time_constant": 1.0,
        "quantities": ["loss", "output", "singular_values"],
        "method": "auto",
    }
    jsonschema.validate(whole, SCHEMA)
    assert read(TrajectoryRequest, whole).dims == (5, 5, 5)
    bare = whole | {"task": whole["task"]["sigma_yx"]}
    jsonschema.validate(bare, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("more", 1),
        ("network.more", 1),
        ("task.more", 1),
        ("network.kind", "deep"),
        ("network.dims", [2, 2]),
        ("network.dims", [2, 2, 2, 2]),
        ("network.dims.0", 0),
        ("network.dims.0", True),
        ("network.dims.0", 2.5),
        ("network.lambda", "1"),
        ("network.lambda", True),
        ("network.lambda", 1e71),
        ("network.scale", 0),
        ("network.seed", -1),
        ("network.seed", 2**53),
        ("network.aligned", 1),
        ("task", []),
        ("task", [[]]),
        ("task", [[True]]),
        ("task", None),
        ("task.sigma_yx", [1, 2]),
        ("task.sigma_yx", [["1"]]),
        ("task.sigma_yx", [[None]]),
        ("task.sigma_yx", [[1e71]]),
        ("task.sigma_yy_trace", -1),
        ("times", []),
        ("times", [True]),
        ("times", [[0]]),
        ("times", {"stop": -1}),
        ("times", {"stop": 1, "num": 0}),
        ("times", {"stop": 1, "spacing": "cubic"}),
        ("times", {"start": 1}),
        ("time_constant", 0),
        ("time_constant", None),
        ("quantities", []),
        ("quantities", ["accuracy"]),
        ("method", "euler"),
        ("method", "descent"),
        ("method", None),
        ("method", {}),
        ("method", {"kind": "descent"}),
        ("method", {"kind": "exact", "rtol": 1e-6}),
        ("method", {"kind": "flow", "rtol": 1e-14}),
        ("method", {"kind": "flow", "rtol": 0.1}),
        ("method", {"kind": "flow", "rtol": True}),
        ("method", {"kind": "flow", "atol": 0}),
        ("method", {"kind": "descent", "learning_rate": 0}),
        ("method", {"kind": "descent", "learning_rate": 0.1, "activation": "gelu"}),
        ("network", RANDOM | {"dims": [2]}),
        ("network", RANDOM | {"dims": [2] * 66}),
        ("network", RANDOM | {"dims": [2, 0, 2]}),
        ("network", RANDOM | {"scheme": "xavier"}),
        ("network", RANDOM | {"gain": -1}),
        ("network", RANDOM | {"gain": []}),
        ("network", RANDOM | {"gain": [1, True]}),
        ("network", RANDOM | {"gain": "1"}),
        ("network", RANDOM | {"lambda": 1.0}),
    ],
    ids=str,
)
def test_schema_and_validators_refuse_the_same(path, value):
    whole = put(document(), path, value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(whole, SCHEMA)
    with pytest.raises(InvalidDocumentError):
        read(TrajectoryRequest, whole)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("initialization", "task", []),
        ("initialization", "network", None),
        ("initialization", "more", 1),
        ("balance", "weights", [[[1.0]]]),
        ("balance", "weights", None),
        ("statistics", "dims", [2, 2]),
        ("statistics", "dims", [2, 2, 2, 2]),
        ("statistics", "gain", 0),
        ("statistics", "gain", [1, 1, 1]),
        ("statistics", "samples", 1),
        ("statistics", "samples", 10**7 + 1),
        ("statistics", "scheme", "xavier"),
        ("limits", "task", None),
        ("limits", "tolerance", 0),
        ("limits", "time_constant", -1),
        ("continual", "tasks", []),
        ("continual", "tasks.0", [[1.0]]),
        ("continual", "tasks.0.duration", "forever"),
        ("continual", "tasks.0.duration", -1),
        ("continual", "tasks.0.duration", True),
        ("continual", "tasks.0.duration", None),
        ("continual", "num", 1),
        ("continual", "num", 100_001),
        ("ensemble", "replicates", 0),
        ("ensemble", "replicates", 100_001),
        ("ensemble", "first_seed", -1),
        ("ensemble", "first_seed", 2**53),
        ("ensemble", "vary", []),
        ("ensemble", "vary", ["network.scale"]),
        ("ensemble", "quantiles", []),
        ("ensemble", "quantiles", [1.5]),
        ("ensemble", "quantiles", [True]),
        ("ensemble", "base.times", []),
        ("ensemble", "base", []),
    ],
    ids=str,
)
def test_schema_and_validators_refuse_the_same_messages(name, path, value):
    whole = put(message(name), path, value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(whole, MESSAGES[name].model_json_schema())
    with pytest.raises(InvalidDocumentError):
        read(MESSAGES[name], whole)


def fields_with_examples(node, found):
    if isinstance(node, dict):
        if "examples" in node:
            found.append(node)
        for inner in node.values():
            fields_with_examples(inner, found)
    elif isinstance(node, list):
        for inner in node:
            fields_with_examples(inner, found)
    return found


def test_examples_of_fields():
    fields = fields_with_examples(SCHEMA, [])
    assert fields
    for field in fields:
        for example in field["examples"]:
            jsonschema.validate(example, {**field, "$defs": SCHEMA["$defs"]})


def test_replies_of_a_newer_service_are_read():
    problem = {"type": "/problems/x", "code": "x", "title": "X", "status": 499, "detail": "d", "hint": "new"}
    assert Problem.model_validate(problem).errors == []
    reply = {
        "key": 64 * "0",
        "method": "flow",
        "reason": "r",
        "lambda": None,
        "dims": [1, 2, 3, 4],
        "seed": None,
        "time_constant": 1.0,
        "times": [0.0],
        "quantities": {"new": [1.0]},
        "diagnostics": {"new": 1},
        "warnings": [{"code": "new", "detail": "d", "mode": 3}],
        "version": "9.9",
        "new": 1,
    }
    read_back = TrajectoryReply.model_validate(reply)
    assert read_back.lam is None
    assert read_back.warnings == [ReplyWarning(code="new", detail="d")]
    assert "new" not in read_back.model_dump()
    assert read_back.model_dump()["lambda"] is None
