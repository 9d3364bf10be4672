"""Responses that are read from a file of the spool piece by piece."""

import os
from collections.abc import Mapping

from anyio import to_thread
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lindyn_service.errors import BusyError
from lindyn_service.spool.format import CHUNK_BYTES
from lindyn_service.spool.locks import try_lock
from lindyn_service.spool.store import StoredFile


class SpoolFileResponse(Response):
    """Sends an answer from a file of the spool, with one piece in memory at a time; a lock prevents its eviction.

    Starlette's `FileResponse` would also send the trailer of the file, and is four times slower with its small pieces.

    Raises:
        BusyError: the file was evicted after it was looked up.
    """

    def __init__(self, stored: StoredFile, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(None, 200, {**headers, "Content-Length": str(stored.size)}, media_type)
        self._size = stored.size
        try:
            self._file = stored.path.open("rb", buffering=0)
            try_lock(self._file.fileno(), shared=True)
        except FileNotFoundError:
            raise BusyError("the answer was evicted from the disk cache before it was sent; ask again") from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        with self._file as file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for start in range(0, self._size, CHUNK_BYTES):
                piece = await to_thread.run_sync(os.pread, file.fileno(), min(CHUNK_BYTES, self._size - start), start)
                more = start + CHUNK_BYTES < self._size
                await send({"type": "http.response.body", "body": piece, "more_body": more})
