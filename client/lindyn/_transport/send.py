"""The two ways to do what the core says: blocking, and awaited. Neither decides anything."""

import os
import time
import weakref
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, contextmanager, suppress
from typing import Any, Generic, Self, TypeVar

import anyio
import httpx
import stamina
from anyio.lowlevel import current_token
from httpx_sse import SSEError, aconnect_sse, connect_sse

from lindyn._bounded_call import UntilThen, call_with_deadline
from lindyn._transport.calls import Call, Connection, Pause, Steps, Watch, Within
from lindyn._transport.connections import Given, Way, awaiting, blocking
from lindyn._transport.retry import again, pace
from lindyn.errors import ClosedError

T = TypeVar("T")
TransportT = TypeVar("TransportT", bound=httpx.BaseTransport | httpx.AsyncBaseTransport)

_STREAM_ENDED = (httpx.TransportError, httpx.DecodingError, SSEError)  # the flow asks for the state and goes on


class _Shared(Generic[TransportT]):
    """What is told to a service, and how: travels between processes, each of which makes its own connections."""

    def __init__(self, connection: Connection, way: Way[TransportT]) -> None:
        self._connection = connection
        self._way = way
        self._closed = False

    def another(self) -> Self:
        """One for the same service that is closed by itself."""
        return type(self)(self._connection, self._way)

    def __reduce__(self) -> tuple[type[Self], tuple[Connection, Way[TransportT]]]:
        """Without connections, which do not travel."""
        return type(self), (self._connection, self._way)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Whoever copies an answer goes on with the same connections."""
        return self

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ClosedError("this client is closed; make another one, or ask within its `with` block")

    @contextmanager
    def _open(self) -> Generator[None]:
        """Say so where somebody else closes the client meanwhile, of which httpx makes a RuntimeError."""
        try:
            yield
        except RuntimeError:
            self._refuse_closed()
            raise


class Sender(_Shared[httpx.BaseTransport]):
    """Sends the requests of a client, and waits."""

    def __init__(self, connection: Connection, way: Way[httpx.BaseTransport]) -> None:
        super().__init__(connection, way)
        self._retrying = stamina.RetryingCaller(**pace(connection.patience_seconds))
        self._made: dict[int, httpx.Client] = {}  # by process: answers on a shared connection would be mixed up
        if isinstance(way.transport, Given):
            self._http()  # so that it is closed with the client, even if nothing was asked

    def send(self, call: Call[T]) -> T:
        """Ask until there is an answer, or no hope of one."""
        return self._retrying(lambda error: again(self._connection, call, error), self._once, call)

    def run(self, flow: Steps[T]) -> T:
        """Do several steps."""
        outcome: Any = None
        with closing(flow):
            try:
                while True:
                    outcome = self._do(flow.send(outcome))
            except StopIteration as end:
                return end.value

    def close(self) -> None:
        """Close the connections of this process."""
        self._closed = True
        http = self._made.pop(os.getpid(), None)
        if http is not None:
            http.close()

    def _do(self, step: Call[Any] | Watch | Within | Pause) -> Any:  # noqa: ANN401 (each call has an answer of its own)
        match step:
            case Call():
                return self.send(step)
            case Within():
                return call_with_deadline(step.seconds, lambda: self._do(step.step))
            case Watch():
                return self._watch(step)
            case Pause():
                return time.sleep(step.seconds)

    def _once(self, call: Call[T]) -> T:
        http = self._http()
        with self._open(), self._connection.asking(call.path):
            response = http.request(call.method, call.path, content=call.content, headers=call.headers)
        return self._connection.read(call, response)

    def _watch(self, watch: Watch) -> None:
        timeout = httpx.Timeout(watch.silence_seconds)
        with (
            self._open(),
            suppress(*_STREAM_ENDED),
            connect_sse(self._http(), "GET", watch.path, headers=watch.headers, timeout=timeout) as source,
        ):
            source.response.stream = UntilThen(source.response.stream, watch.longest_seconds)
            for event in source.iter_sse():
                if watch.heard(event.data):
                    return

    def _http(self) -> httpx.Client:
        """The connections of this process; no lock, which a fork could leave locked."""
        process = os.getpid()
        found = self._made.get(process)
        if found is not None:
            return found
        self._refuse_closed()
        made = blocking(self._way)
        found = self._made.setdefault(process, made)
        if found is made:
            weakref.finalize(self, _close, made, process)
        else:  # another thread was faster
            made.close()
        return found


class AsyncSender(_Shared[httpx.AsyncBaseTransport]):
    """The same, awaited; works with asyncio and trio."""

    def __init__(self, connection: Connection, way: Way[httpx.AsyncBaseTransport]) -> None:
        super().__init__(connection, way)
        self._retrying = stamina.AsyncRetryingCaller(**pace(connection.patience_seconds))
        self._given = (way.transport, awaiting(way)) if isinstance(way.transport, Given) else None
        self._made: dict[object, tuple[httpx.AsyncClient, AsyncGenerator[None]]] = {}  # by event loop

    async def send(self, call: Call[T]) -> T:
        """Ask until there is an answer, or no hope of one."""
        return await self._retrying(lambda error: again(self._connection, call, error), self._once, call)

    async def run(self, flow: Steps[T]) -> T:
        """Do several steps."""
        outcome: Any = None
        with closing(flow):
            try:
                while True:
                    outcome = await self._do(flow.send(outcome))
            except StopIteration as end:
                return end.value

    async def close(self) -> None:
        """Close the connections of this event loop; those of others were closed when they ended."""
        self._closed = True
        if self._given is not None:
            await self._given[1].aclose()
        _, until_end = self._made.get(current_token().native_token, (None, None))
        if until_end is not None:
            await until_end.aclose()

    async def _do(self, step: Call[Any] | Watch | Within | Pause) -> Any:  # noqa: ANN401 (as above)
        match step:
            case Call():
                return await self.send(step)
            case Within():
                with anyio.move_on_after(step.seconds):
                    return await self._do(step.step)
                return None
            case Watch():
                return await self._watch(step)
            case Pause():
                return await anyio.sleep(step.seconds)

    async def _once(self, call: Call[T]) -> T:
        http = await self._http()
        with self._open(), self._connection.asking(call.path):
            response = await http.request(call.method, call.path, content=call.content, headers=call.headers)
        return self._connection.read(call, response)

    async def _watch(self, watch: Watch) -> None:
        timeout = httpx.Timeout(watch.silence_seconds)
        http = await self._http()
        with self._open(), suppress(*_STREAM_ENDED), anyio.CancelScope() as listening:
            async with aconnect_sse(http, "GET", watch.path, headers=watch.headers, timeout=timeout) as source:
                async for event in source.aiter_sse():
                    if watch.heard(event.data):
                        listening.cancel()  # httpx leaves open what is left early, and closes what is cancelled

    async def _http(self) -> httpx.AsyncClient:
        """The connections of the running event loop."""
        self._refuse_closed()
        loop = current_token().native_token
        if self._given is not None:
            transport, http = self._given
            transport.check(loop)
            return http
        found, _ = self._made.get(loop, (None, None))
        return await self._make(loop) if found is None or found.is_closed else found

    async def _make(self, loop: object) -> httpx.AsyncClient:
        for ended in [each for each, (http, _) in list(self._made.items()) if http.is_closed]:
            self._made.pop(ended, None)
        made = awaiting(self._way)
        until_end = _until_end(made)
        self._made[loop] = made, until_end
        # else generator and connections could be collected at once, these unclosed
        weakref.finalize(self, _forget, until_end).atexit = False
        await anext(until_end)
        return made


async def _until_end(http: httpx.AsyncClient) -> AsyncGenerator[None]:
    """Hold connections, and close them when the event loop closes the generators that it began: at its end at last."""
    try:
        yield
    finally:
        await http.aclose()


def _forget(_: AsyncGenerator[None]) -> None:
    """Leave a generator to its event loop."""


def _close(http: httpx.Client, process: int) -> None:
    """Close what nobody uses any more, but never what a fork has from its parent."""
    if os.getpid() == process:
        http.close()
