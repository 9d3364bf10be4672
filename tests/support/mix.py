"""A mix of requests with their expected responses, computed in this process without a service."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import InitializationRequest
from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.operations import registry
from lindyn_service.translate.encode import encode
from support.documents import message
from support.processes import trajectory
from support.service import NPZ, TRAJECTORIES, as_npz

POPULAR = 12  # number of requests that repeat
_JSON = "application/json"


@dataclass
class CheckedRequest:
    """A request and its expected response.

    Attributes:
        body: expected bytes; None for a refusal.
        status: expected status.
        code: expected code of a refusal.
        may_be_absent: whether 404 is accepted, too, as for a response that is no longer in a cache.
    """

    kind: str
    path: str
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    status: int = 200
    code: str | None = None
    may_be_absent: bool = False

    def send(self, client: httpx.Client) -> httpx.Response:
        method = "GET" if self.content is None else "POST"
        return client.request(method, self.path, content=self.content, headers=self.headers)

    def is_right(self, answer: httpx.Response) -> bool:
        """Whether a response has the expected bytes, or is the expected refusal."""
        if answer.status_code == 404 and self.may_be_absent:
            return answer.json()["code"] == "not-found"
        if answer.status_code != self.status:
            return False
        return answer.content == self.body if self.body is not None else answer.json()["code"] == self.code


def mix(count: int, seed: int) -> Iterator[CheckedRequest]:
    """Generate `count` requests in random order; new requests of different seeds differ."""
    chance = random.Random(seed)
    kinds = (popular, new, heavy, archive, by_key, analysis, refused)
    for number in range(count):
        kind = chance.choices(kinds, weights=(30, 25, 5, 12, 5, 8, 15))[0]
        yield kind(chance, seed * 1_000_000 + number)


def popular(chance: random.Random, _number: int) -> CheckedRequest:
    form = chance.choice(("json", "npz"))
    return _asked("cached", registry.TRAJECTORY, TrajectoryRequest, _popular(chance), accept=form)


def new(_chance: random.Random, number: int) -> CheckedRequest:
    return _asked("new", registry.TRAJECTORY, TrajectoryRequest, trajectory(seed=number))


def heavy(_chance: random.Random, number: int) -> CheckedRequest:
    return _asked("heavy", registry.TRAJECTORY, TrajectoryRequest, trajectory(40, 100, seed=number))


def archive(_chance: random.Random, number: int) -> CheckedRequest:
    document = trajectory(5, 40, seed=number, quantities=["loss", "output"])
    return _asked("npz", registry.TRAJECTORY, TrajectoryRequest, document, body="npz", accept="npz")


def by_key(chance: random.Random, _number: int) -> CheckedRequest:
    response = _asked("", registry.TRAJECTORY, TrajectoryRequest, _popular(chance))
    assert response.body is not None
    path = f"{TRAJECTORIES}/{json.loads(response.body)['key']}"
    return CheckedRequest("by key", path, headers={"Accept": _JSON}, body=response.body, may_be_absent=True)


def analysis(chance: random.Random, number: int) -> CheckedRequest:
    if chance.random() < 0.5:
        document = message("limits")
        document["network"]["seed"] = number
        return _asked("analysis", registry.LIMITS, LimitsRequest, document, path="/v1/limits")
    document = message("initialization")
    document["network"]["seed"] = number
    return _asked("analysis", registry.INITIALIZATION, InitializationRequest, document, path="/v1/initializations")


def refused(chance: random.Random, number: int) -> CheckedRequest:
    """A request that the service refuses, before or in a worker."""
    unbalanced = trajectory(network={"kind": "random", "dims": [3, 3, 3], "scheme": "he", "seed": number})
    infeasible = trajectory(network={"kind": "balanced", "dims": [3, 5, 3], "lambda": 1.0, "seed": number})
    status, code, content = chance.choice(
        (
            (422, "invalid-request", b"{}"),
            (400, "malformed-body", b"PK\3\4 is no JSON"),
            (422, "not-balanced", json.dumps({**unbalanced, "method": "exact"}).encode()),
            (422, "infeasible-balance", json.dumps(infeasible).encode()),
            (422, "too-large", json.dumps(trajectory(400, 9_000, quantities=["ntk"])).encode()),
        )
    )
    return CheckedRequest("refused", TRAJECTORIES, content, {"Content-Type": _JSON}, status=status, code=code)


def _popular(chance: random.Random) -> dict[str, Any]:
    return trajectory(4, 30, seed=1 + chance.randrange(POPULAR), quantities=["loss", "singular_values"])


def _asked(kind, operation, model, document, *, path=TRAJECTORIES, body="json", accept="json") -> CheckedRequest:
    content = as_npz(document) if body == "npz" else json.dumps(document).encode()
    media = {"json": _JSON, "npz": NPZ}
    headers = {"Content-Type": media[body], "Accept": media[accept]}
    normal, key = registry.normalise(operation, read(model, document, conflicts))
    return CheckedRequest(kind, path, content, headers, encode(operation.compute(normal, key), accept))
