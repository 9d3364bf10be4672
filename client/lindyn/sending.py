"""The two ways to do what the core says: blocking, and awaited. Neither decides anything."""

import time
from contextlib import closing, suppress
from typing import Any, TypeVar

import anyio
import httpx
import stamina
from httpx_sse import SSEError, aconnect_sse, connect_sse

from lindyn.core import Call, Connection, Flow, Pause, Watch
from lindyn.retrying import again, pace

T = TypeVar("T")

_STREAM_ENDED = (httpx.TransportError, SSEError)  # the flow asks for the state and goes on


class Sender:
    """Sends the requests of a client, and waits."""

    def __init__(self, connection: Connection, http: httpx.Client) -> None:
        self._connection = connection
        self._http = http
        self._retrying = stamina.RetryingCaller(**pace(connection.patience_seconds))

    def send(self, call: Call[T]) -> T:
        """Ask until there is an answer, or no hope of one."""
        return self._retrying(lambda error: again(self._connection, call, error), self._once, call)

    def run(self, flow: Flow[T]) -> T:
        """Do several steps."""
        outcome: Any = None
        with closing(flow):
            try:
                while True:
                    outcome = self._do(flow.send(outcome))
            except StopIteration as end:
                return end.value

    def close(self) -> None:
        """Close the connections."""
        self._connection.closed = True
        self._http.close()

    def _do(self, step: Call[Any] | Watch | Pause) -> Any:  # noqa: ANN401 (each call has an answer of its own)
        match step:
            case Call():
                return self.send(step)
            case Watch():
                return self._watch(step)
            case Pause():
                return time.sleep(step.seconds)

    def _once(self, call: Call[T]) -> T:
        with self._connection.asking(call.path):
            response = self._http.request(call.method, call.path, content=call.content, headers=call.headers)
        return self._connection.read(call, response)

    def _watch(self, watch: Watch) -> None:
        timeout = httpx.Timeout(watch.silence_seconds)
        with (
            suppress(*_STREAM_ENDED),
            connect_sse(self._http, "GET", watch.path, headers=watch.headers, timeout=timeout) as source,
        ):
            for event in source.iter_sse():
                if watch.heard(event.data):
                    return


class AsyncSender:
    """The same, awaited; works with asyncio and trio."""

    def __init__(self, connection: Connection, http: httpx.AsyncClient) -> None:
        self._connection = connection
        self._http = http
        self._retrying = stamina.AsyncRetryingCaller(**pace(connection.patience_seconds))

    async def send(self, call: Call[T]) -> T:
        """Ask until there is an answer, or no hope of one."""
        return await self._retrying(lambda error: again(self._connection, call, error), self._once, call)

    async def run(self, flow: Flow[T]) -> T:
        """Do several steps."""
        outcome: Any = None
        with closing(flow):
            try:
                while True:
                    outcome = await self._do(flow.send(outcome))
            except StopIteration as end:
                return end.value

    async def close(self) -> None:
        """Close the connections."""
        self._connection.closed = True
        await self._http.aclose()

    async def _do(self, step: Call[Any] | Watch | Pause) -> Any:  # noqa: ANN401 (each call has an answer of its own)
        match step:
            case Call():
                return await self.send(step)
            case Watch():
                return await self._watch(step)
            case Pause():
                return await anyio.sleep(step.seconds)

    async def _once(self, call: Call[T]) -> T:
        with self._connection.asking(call.path):
            response = await self._http.request(call.method, call.path, content=call.content, headers=call.headers)
        return self._connection.read(call, response)

    async def _watch(self, watch: Watch) -> None:
        timeout = httpx.Timeout(watch.silence_seconds)
        with suppress(*_STREAM_ENDED), anyio.move_on_after(watch.longest_seconds):
            async with aconnect_sse(self._http, "GET", watch.path, headers=watch.headers, timeout=timeout) as source:
                async for event in source.aiter_sse():  # to its end: httpx leaves open what is left early
                    watch.heard(event.data)
