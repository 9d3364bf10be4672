"""Copies and pickles of errors, results and clients."""

import copy
import inspect
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from support.processes import Service

import lindyn
import lindyn.arrays
import lindyn.errors
import lindyn.wire.document
import lindyn.wire.npz
import lindyn.wire.tree
from lindyn.wire.problem import FieldProblem, Problem

COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    *(lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol)) for protocol in range(2, 6)),
]
PROBLEM = Problem(
    type="/problems/some",
    code="some",
    title="Some",
    status=418,
    detail="got tea, expected coffee",
    errors=[FieldProblem(path="network.dims", detail="too wide")],
    request_id="abc",
)


def classes() -> Iterator[type[BaseException]]:
    for module in (lindyn.errors, lindyn.arrays, lindyn.wire.document, lindyn.wire.npz, lindyn.wire.tree):
        for kind in vars(module).values():
            if (
                inspect.isclass(kind)
                and issubclass(kind, BaseException)
                and kind.__module__ in (module.__name__, "lindyn")
            ):
                yield kind


def made(kind: type[BaseException]) -> BaseException:
    """An error with all attributes."""
    arguments: tuple[Any, ...] = ("something went wrong",)
    if issubclass(kind, lindyn.ProblemError):
        arguments = (PROBLEM, 3.5)
    elif issubclass(kind, lindyn.UnexpectedReplyError):
        arguments = (*arguments, 302)
    elif issubclass(kind, lindyn.JobFailedError):
        arguments = (*arguments, PROBLEM)
    elif issubclass(kind, lindyn.wire.tree.PathError):
        arguments = ("network.dims", "has no parts")
    elif issubclass(kind, lindyn.wire.document.InvalidDocumentError):
        arguments = ([("network", "is wrong"), ("task", "too")],)
    error = kind(*arguments)
    error.add_note("a note")
    error.more = {"attributes": [1, 2]}
    return error


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("kind", list(classes()), ids=lambda kind: kind.__name__)
def test_copies_and_pickles_of_all_errors_are_equal(kind: type[BaseException], copied: Callable[[Any], Any]) -> None:
    error = made(kind)
    found = copied(error)
    assert type(found) is kind
    assert (str(found), repr(found), found.args) == (str(error), repr(error), error.args)
    assert vars(found) == vars(error)


def test_all_public_errors_are_tested() -> None:
    promised = {
        found for found in (getattr(lindyn, name) for name in lindyn.__all__)
        if inspect.isclass(found) and issubclass(found, BaseException)
    }  # fmt: skip
    assert promised <= set(classes())
    assert len(promised) > 20


@pytest.mark.parametrize("copied", COPIES)
def test_the_cause_of_a_failed_job_is_kept(copied: Callable[[Any], Any]) -> None:
    error = made(lindyn.JobFailedError)
    error.__cause__ = made(lindyn.DivergedError)
    found = copied(error)
    assert type(found.__cause__) is lindyn.DivergedError
    assert found.__cause__.problem == found.problem == PROBLEM


@pytest.mark.parametrize("copied", COPIES)
def test_the_name_and_path_of_a_missing_library_are_kept(copied: Callable[[Any], Any]) -> None:
    error = lindyn.MissingLibraryError("pictures need matplotlib", name="matplotlib", path="/somewhere")
    found = copied(error)
    assert (found.name, found.path, found.msg) == ("matplotlib", "/somewhere", "pictures need matplotlib")


NETWORK = lindyn.balanced([3, 3, 3], lam=1.0, seed=1)
SIGMA_YX = np.array([[2.0, 0.3, -0.4], [0.1, -1.5, 0.2], [0.5, 0.0, 1.0]])
BASE = {"network": NETWORK, "task": SIGMA_YX, "times": [0.0, 1.0]}
ANSWERS: dict[str, Callable[[lindyn.Client], Any]] = {
    "trajectory": lambda c: c.trajectory(**BASE, quantities=["loss", "weights", "balance"]),
    "initialization": lambda c: c.initialization(NETWORK, SIGMA_YX),
    "balance": lambda c: c.balance([np.eye(3), 2 * np.eye(3)]),
    "statistics": lambda c: c.balance_statistics([3, 4, 5], "he", samples=10, seed=1),
    "part of an answer": lambda c: c.balance_statistics([3, 4, 5], "he", samples=10, seed=1).predicted,
    "design": lambda c: c.design(
        base={**BASE, "times": [1.0]},
        vary={"path": "network.lambda", "bounds": [0.0, 4.0]},
        target={"scalar": "loss", "value": c.trajectory(**BASE).loss[-1]},
    ),
    "limits": lambda c: c.limits(network=NETWORK, task=SIGMA_YX),
    "continual": lambda c: c.continual(network=NETWORK, tasks=[{"task": SIGMA_YX}], num=5),
    "ensemble": lambda c: c.ensemble(base=BASE, replicates=3),
    "plots of an ensemble": lambda c: c.ensemble(base=BASE, replicates=3).plot,
    "sweep": lambda c: c.sweep(base=BASE, axes={"network.dims": [[3, 3, 3], [3, 2, 3]]}).result(),
    "plots of a trajectory": lambda c: c.trajectory(**BASE).plot,
    "plots of a sweep": lambda c: c.sweep(base=BASE, axes={"network.seed": [1, 2]}).result().plot,
    "state of a job": lambda c: c.sweep(base=BASE, axes={"network.seed": [1]}).wait(),
    "experiments": lambda c: c.experiments(),
    "about": lambda c: c.about(),
}


def assert_same(one: Any, other: Any) -> None:
    """Check that two trees of any values are equal."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        assert_same(list(one.values()), list(other.values()))
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif hasattr(one, "__dict__"):
        assert_same(vars(one), vars(other))
    else:
        assert one == other


@pytest.fixture(scope="module")
def client(job_service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(job_service.url) as client:
        yield client


@pytest.mark.live
@pytest.mark.parametrize("name", ANSWERS)
def test_copies_and_pickles_of_all_results_are_equal(name: str, client: lindyn.Client) -> None:
    answer = ANSWERS[name](client)
    for copied in COPIES:
        assert_same(copied(answer), answer)
    assert not hasattr(type(answer).__new__(type(answer)), "nothing")  # as copies are while they are made


@pytest.mark.live
def test_jobs_and_clients(client: lindyn.Client) -> None:
    """A copy of a job uses the same client; a pickle, like a copy of a client, has its own connections."""
    job = client.sweep(base=BASE, axes={"network.seed": [1, 2]})
    for copied in COPIES:
        again = copied(job)
        assert again.id == job.id
        np.testing.assert_array_equal(again.result().final_loss, job.result().final_loss)
        with copied(client) as other:
            assert other.url == client.url
            assert other.about() == client.about()
        with pytest.raises(lindyn.ClosedError, match="is closed; make another"):
            other.about()
        assert client.about()["name"] == "lindyn"


@pytest.mark.live
@pytest.mark.anyio
async def test_asynchronous_jobs_and_clients(job_service: Service) -> None:
    async with lindyn.AsyncClient(job_service.url) as client:
        job = await client.sweep(base=BASE, axes={"network.seed": [1, 2]})
        expected = (await job).final_loss
        for copied in COPIES:
            np.testing.assert_array_equal((await copied(job)).final_loss, expected)
            async with copied(client) as other:
                assert await other.about() == await client.about()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
