"""The asynchronous client has the methods and results of the blocking one."""

import asyncio
import functools
import gc
import inspect
import threading

import anyio
import httpx
import matplotlib as mpl
import numpy as np
import pytest
import trio
from matplotlib import pyplot as plt
from support.gateway import Drop, Gateway, problem
from support.holding import jobs_held
from support.processes import Service

import lindyn
from lindyn._async_client import AsyncClient, AsyncJobHandle
from lindyn._client import Client
from lindyn._jobs import JobHandle

pytestmark = pytest.mark.anyio

NETWORK = lindyn.balanced([3, 3, 3], lam=1.0, seed=1)
SIGMA_YX = np.array([[2.0, 0.3, -0.4], [0.1, -1.5, 0.2], [0.5, 0.0, 1.0]])
BASE = {"network": NETWORK, "task": SIGMA_YX, "times": [0.0, 1.0, 2.0]}
SLOW = {
    "base": {
        "network": lindyn.balanced([60, 60, 60], lam=0.5),
        "task": lindyn.regression(120, seed=1),
        "times": {"stop": 3.0, "num": 200},
    },
    "axes": {"network.seed": range(1000)},
    "collect": ["loss"],
}


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def service(job_service: Service) -> Service:
    return job_service


@pytest.mark.parametrize(("blocking", "awaiting"), [(Client, AsyncClient), (JobHandle, AsyncJobHandle)])
def test_both_have_the_same_methods(blocking, awaiting):
    def methods(kind):
        public = {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_")}
        return {name: list(inspect.signature(f).parameters.items()) for name, f in public.items() if callable(f)}

    def plain(found):
        return {
            name: [(parameter, each.kind, each.default) for parameter, each in parameters]
            for name, parameters in found.items()
        }

    assert plain(methods(blocking)) == plain(methods(awaiting))
    assert all(
        inspect.iscoroutinefunction(value) or not callable(value)
        for name, value in inspect.getmembers(awaiting)
        if not name.startswith("_")
    )


@pytest.mark.live
async def test_all_methods_have_the_same_results(service):
    with lindyn.Client(service.url) as blocking:
        async with lindyn.AsyncClient(service.url) as c:
            ours, theirs = await c.trajectory(**BASE), blocking.trajectory(**BASE)
            np.testing.assert_array_equal(ours.output, theirs.output)
            np.testing.assert_array_equal((await c.stored(ours.reply.key)).loss, theirs.loss)
            drawn = await c.initialization(NETWORK, SIGMA_YX)
            np.testing.assert_array_equal(drawn.weights[1], blocking.initialization(NETWORK, SIGMA_YX).weights[1])
            assert (await c.balance(drawn.weights)).lam == pytest.approx([1.0])
            assert (await c.balance(lindyn.weights(*drawn.weights))).lam == pytest.approx([1.0])
            statistics = await c.balance_statistics([3, 4, 5], "he", samples=10, seed=1)
            assert statistics.sampled.mean.shape == (4, 4)
            ends = await c.limits(network=NETWORK, task=SIGMA_YX)
            np.testing.assert_allclose(ends.converged.output, SIGMA_YX, atol=1e-12)
            course = await c.continual(network=NETWORK, tasks=[{"task": SIGMA_YX}], num=5)
            assert course.loss.shape == (1, 5)
            ensemble = await c.ensemble(base=BASE, replicates=4)
            theirs = blocking.ensemble(base=BASE, replicates=4)
            np.testing.assert_array_equal(ensemble.loss.quantiles, theirs.loss.quantiles)
            assert (await c.about()) == blocking.about()
            assert (await c.openapi()) == blocking.openapi()
            assert (await c.experiments()) == blocking.experiments()


@pytest.mark.live
async def test_jobs(service, capsys):
    async with lindyn.AsyncClient(service.url) as c:
        job = await c.sweep(base=BASE, axes={"network.seed": range(4)})
        assert "of sweep" in repr(job)
        result = await job
        again = await job.result(progress=True)
        np.testing.assert_array_equal(result.final_loss, again.final_loss)
        assert "4/4" in capsys.readouterr().err
        assert (await (await c.job(job.id)).status()).state == "done"
        assert job.id in [each.id for each in await c.jobs()]
        experiment = await c.experiment("figure-4.1")
        await experiment.wait()
        assert (await experiment.figure("png")).startswith(b"\x89PNG")
        with mpl.rc_context({"backend": "agg"}):
            figure = await experiment.draw()
            assert len(figure.axes) == 7  # four panels, of which three have colour bars
            plt.close(figure)


@pytest.mark.live
async def test_calls_can_be_cancelled(service):
    with service.client() as http, jobs_held(service, http):
        async with lindyn.AsyncClient(service.url) as c:
            job = await c.sweep(**SLOW)
            with anyio.move_on_after(0.5) as scope:
                await job.result()
            assert scope.cancelled_caught
            with pytest.raises(TimeoutError, match="continues"):
                await job.wait(timeout_seconds=0.1)
            await job.cancel()
            with pytest.raises(lindyn.JobCancelledError):
                await job


@pytest.mark.live
async def test_many_at_once_and_refusals(service):
    with Gateway(service.url) as gateway:
        async with lindyn.AsyncClient(gateway.url) as c:
            await c.about()
            gateway.acts += [Drop(), problem(503, "busy", Retry_After="1"), Drop(after=True)]
            found: list[lindyn.Trajectory] = []

            async def ask(seed: int) -> None:
                found.append(await c.trajectory(**{**BASE, "network": lindyn.balanced([3, 3, 3], lam=1, seed=seed)}))

            async with anyio.create_task_group() as tasks:
                for seed in range(6):
                    tasks.start_soon(ask, seed)
            assert sorted(each.reply.seed for each in found) == list(range(6))
            with pytest.raises(lindyn.RequestError, match="times"):
                await c.trajectory(**{**BASE, "times": [1.0, 0.0]})


@pytest.mark.live
async def test_a_private_service(folder):
    async with await lindyn.AsyncClient.local(workers=1) as c:
        assert (await c.trajectory(**BASE)).loss.shape == (3,)
    assert list(folder.iterdir()) == []


async def ask(client, seed=1):
    found = await client.trajectory(**{**BASE, "network": lindyn.balanced([3, 3, 3], lam=1, seed=seed)})
    return found.reply.seed


async def ask_some(client):
    return await asyncio.gather(*(ask(client, seed) for seed in range(5)))


@pytest.mark.live
def test_one_client_in_several_event_loops(service):
    """A connection belongs to the loop in which it was opened; warnings about open connections are errors here."""
    client = lindyn.AsyncClient(service.url)
    for _ in range(3):
        assert asyncio.run(ask_some(client)) == list(range(5))
    assert trio.run(ask, client) == 1
    assert asyncio.run(ask(client)) == 1
    asyncio.run(client.close())
    with pytest.raises(lindyn.ClosedError, match="is closed; make another"):
        asyncio.run(ask(client))
    gc.collect()


@pytest.mark.live
def test_one_client_in_several_loops_at_once(service):
    client = lindyn.AsyncClient(service.url)
    found = []
    threads = [threading.Thread(target=lambda: found.append(asyncio.run(ask_some(client)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [list(range(5))] * 4
    assert asyncio.run(ask(client)) == 1
    asyncio.run(client.close())


@pytest.mark.live
def test_a_job_of_an_earlier_loop(service):
    client = lindyn.AsyncClient(service.url)

    async def result():
        return await job

    job = asyncio.run(client.sweep(base=BASE, axes={"network.seed": range(3)}))
    assert asyncio.run(result()).final_loss.shape == (3,)
    asyncio.run(client.close())


@pytest.mark.live
def test_a_transport_of_another_loop(service):
    transport = httpx.AsyncHTTPTransport()
    client = lindyn.AsyncClient(service.url, transport=transport)

    async def ask_once():
        found = await ask(client)
        await transport.aclose()
        return found

    assert asyncio.run(ask_once()) == 1
    with pytest.raises(lindyn.ConfigurationError, match=r"^transport: .* of another event loop.*pass a function"):
        asyncio.run(ask(client))
    asyncio.run(client.close())
    made = lindyn.AsyncClient(service.url, transport=functools.partial(httpx.AsyncHTTPTransport, retries=1))
    assert [asyncio.run(ask(made)) for _ in range(3)] == [1, 1, 1]
    asyncio.run(made.close())


def test_an_application_in_any_loop():
    """Without a network there are no connections that belong to a loop."""
    client = lindyn.AsyncClient("http://here", transport=httpx.MockTransport(lambda _: httpx.Response(200, json={})))
    assert [asyncio.run(client.about()) for _ in range(3)] == [{}, {}, {}]
    asyncio.run(client.close())
