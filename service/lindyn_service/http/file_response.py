"""Answers from files, a piece at a time."""

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
    """Sends the answer in a file, which is not evicted meanwhile; of that, one piece is in memory at a time.

    The framework's own response for files would send the trailer, too, and smaller pieces, at a quarter of the speed.

    Raises:
        BusyError: the file was evicted since it was found.
    """

    def __init__(self, filed: StoredFile, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(None, 200, {**headers, "Content-Length": str(filed.size)}, media_type)
        self._size = filed.size
        try:
            self._file = filed.path.open("rb", buffering=0)
            try_lock(self._file.fileno(), shared=True)
        except FileNotFoundError:
            raise BusyError("the answer had to make room for others before it was sent; ask again") from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._file as file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for at in range(0, self._size, CHUNK_BYTES):
                piece = await to_thread.run_sync(os.pread, file.fileno(), min(CHUNK_BYTES, self._size - at), at)
                more = at + CHUNK_BYTES < self._size
                await send({"type": "http.response.body", "body": piece, "more_body": more})
