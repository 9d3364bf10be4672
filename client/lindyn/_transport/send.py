"""Senders, blocking and asynchronous, which carry out calls and steps. All decisions are made elsewhere."""

import os
import time
import weakref
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, contextmanager, suppress
from typing import Generic, Self, TypeVar

import anyio
import httpx
import stamina
from anyio.lowlevel import current_token
from httpx_sse import SSEError, aconnect_sse, connect_sse

from lindyn._bounded_call import DeadlineStream, call_with_deadline
from lindyn._transport.calls import Call, Connection, Listen, Pause, Steps, WithTimeout
from lindyn._transport.connections import ConnectionSettings, SingleTransport, make_async_client, make_client
from lindyn._transport.retry import retry_settings, should_retry
from lindyn.errors import ClosedError

T = TypeVar("T")
TransportT = TypeVar("TransportT", bound=httpx.BaseTransport | httpx.AsyncBaseTransport)

_STREAM_ENDED = (httpx.TransportError, httpx.DecodingError, SSEError)  # the steps then request the state instead


class _BaseSender(Generic[TransportT]):
    """Common part of both senders. A pickle has no connections, because every process makes its own."""

    def __init__(self, connection: Connection, settings: ConnectionSettings[TransportT]) -> None:
        self._connection = connection
        self._settings = settings
        self._closed = False

    def with_own_connections(self) -> Self:
        """Return a sender to the same service that is closed separately."""
        return type(self)(self._connection, self._settings)

    def __reduce__(self) -> tuple[type[Self], tuple[Connection, ConnectionSettings[TransportT]]]:
        """Pickle without connections."""
        return type(self), (self._connection, self._settings)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return the sender itself, so that a copied result continues with the same connections."""
        return self

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ClosedError("this client is closed; make another one, or use it within its `with` block")

    @contextmanager
    def _translating_close(self) -> Generator[None]:
        """Raise ClosedError where httpx raises RuntimeError because another thread or task closed the client."""
        try:
            yield
        except RuntimeError:
            self._refuse_closed()
            raise


class Sender(_BaseSender[httpx.BaseTransport]):
    """Sends requests and blocks until their replies."""

    def __init__(self, connection: Connection, settings: ConnectionSettings[httpx.BaseTransport]) -> None:
        super().__init__(connection, settings)
        self._retrying = stamina.RetryingCaller(**retry_settings(connection.patience_seconds))
        self._clients: dict[int, httpx.Client] = {}  # by process, because forks on one connection mix up the replies
        if isinstance(settings.transport, SingleTransport):
            self._http()  # so that closing this sender closes the transport even if it was never used

    def send(self, call: Call[T]) -> T:
        """Send a request, with retries, and return its decoded reply."""
        return self._retrying(lambda error: should_retry(self._connection, call, error), self._send_once, call)

    def run(self, steps: Steps[T]) -> T:
        """Carry out steps and return their result."""
        outcome: object = None
        with closing(steps):
            try:
                while True:
                    outcome = self._carry_out(steps.send(outcome))
            except StopIteration as end:
                return end.value

    def close(self) -> None:
        """Close the connections of this process."""
        self._closed = True
        http = self._clients.pop(os.getpid(), None)
        if http is not None:
            http.close()

    def _carry_out(self, step: Call[object] | Listen | WithTimeout | Pause) -> object:
        match step:
            case Call():
                return self.send(step)
            case WithTimeout():
                return call_with_deadline(step.seconds, lambda: self._carry_out(step.step))
            case Listen():
                return self._listen(step)
            case Pause():
                return time.sleep(step.seconds)

    def _send_once(self, call: Call[T]) -> T:
        http = self._http()
        with self._translating_close(), self._connection.translating_errors(call.path):
            response = http.request(call.method, call.path, content=call.content, headers=call.headers)
        return self._connection.read(call, response)

    def _listen(self, listen: Listen) -> None:
        timeout = httpx.Timeout(listen.silence_seconds)
        with (
            self._translating_close(),
            suppress(*_STREAM_ENDED),
            connect_sse(self._http(), "GET", listen.path, headers=listen.headers, timeout=timeout) as source,
        ):
            source.response.stream = DeadlineStream(source.response.stream, listen.longest_seconds)
            for event in source.iter_sse():
                if listen.on_event(event.data):
                    return

    def _http(self) -> httpx.Client:
        """Return the connections of this process. There is no lock, because a fork could inherit it locked."""
        process = os.getpid()
        existing = self._clients.get(process)
        if existing is not None:
            return existing
        self._refuse_closed()
        made = make_client(self._settings)
        client = self._clients.setdefault(process, made)
        if client is made:
            weakref.finalize(self, _close, made, process)
        else:  # another thread was faster
            made.close()
        return client


class AsyncSender(_BaseSender[httpx.AsyncBaseTransport]):
    """Sends requests and awaits their replies, with asyncio and trio."""

    def __init__(self, connection: Connection, settings: ConnectionSettings[httpx.AsyncBaseTransport]) -> None:
        super().__init__(connection, settings)
        self._retrying = stamina.AsyncRetryingCaller(**retry_settings(connection.patience_seconds))
        transport = settings.transport
        self._single = (transport, make_async_client(settings)) if isinstance(transport, SingleTransport) else None
        self._clients: dict[object, tuple[httpx.AsyncClient, AsyncGenerator[None]]] = {}  # by event loop

    async def send(self, call: Call[T]) -> T:
        """Send a request, with retries, and return its decoded reply."""
        return await self._retrying(lambda error: should_retry(self._connection, call, error), self._send_once, call)

    async def run(self, steps: Steps[T]) -> T:
        """Carry out steps and return their result."""
        outcome: object = None
        with closing(steps):
            try:
                while True:
                    outcome = await self._carry_out(steps.send(outcome))
            except StopIteration as end:
                return end.value

    async def close(self) -> None:
        """Close the connections of this event loop; those of other loops close when their loops end."""
        self._closed = True
        if self._single is not None:
            await self._single[1].aclose()
        _, closer = self._clients.get(current_token().native_token, (None, None))
        if closer is not None:
            await closer.aclose()

    async def _carry_out(self, step: Call[object] | Listen | WithTimeout | Pause) -> object:
        match step:
            case Call():
                return await self.send(step)
            case WithTimeout():
                with anyio.move_on_after(step.seconds):
                    return await self._carry_out(step.step)
                return None
            case Listen():
                return await self._listen(step)
            case Pause():
                return await anyio.sleep(step.seconds)

    async def _send_once(self, call: Call[T]) -> T:
        http = await self._http()
        with self._translating_close(), self._connection.translating_errors(call.path):
            response = await http.request(call.method, call.path, content=call.content, headers=call.headers)
        return self._connection.read(call, response)

    async def _listen(self, listen: Listen) -> None:
        timeout = httpx.Timeout(listen.silence_seconds)
        http = await self._http()
        with self._translating_close(), suppress(*_STREAM_ENDED), anyio.CancelScope() as scope:
            async with aconnect_sse(http, "GET", listen.path, headers=listen.headers, timeout=timeout) as source:
                async for event in source.aiter_sse():
                    if listen.on_event(event.data):
                        scope.cancel()  # httpx closes a cancelled stream, but not one that is left early

    async def _http(self) -> httpx.AsyncClient:
        """Return the connections of the running event loop."""
        self._refuse_closed()
        loop = current_token().native_token
        if self._single is not None:
            transport, http = self._single
            transport.check(loop)
            return http
        client, _ = self._clients.get(loop, (None, None))
        return await self._add_client(loop) if client is None or client.is_closed else client

    async def _add_client(self, loop: object) -> httpx.AsyncClient:
        for ended_loop in [each for each, (http, _) in list(self._clients.items()) if http.is_closed]:
            self._clients.pop(ended_loop, None)
        client = make_async_client(self._settings)
        closer = _close_at_end_of_loop(client)
        self._clients[loop] = client, closer
        # the finalizer holds a reference, else the generator could be collected with its connections open
        weakref.finalize(self, _release, closer).atexit = False
        await anext(closer)
        return client


async def _close_at_end_of_loop(http: httpx.AsyncClient) -> AsyncGenerator[None]:
    """Wait to be closed, and close connections then: an event loop closes its generators when it ends."""
    try:
        yield
    finally:
        await http.aclose()


def _release(_: AsyncGenerator[None]) -> None:
    """Release the last reference to a generator, so that its event loop closes it."""


def _close(http: httpx.Client, process: int) -> None:
    """Close unused connections, but not in a fork, which shares them with its parent."""
    if os.getpid() == process:
        http.close()
