"""A minimal FastAPI application, the baseline of HTTP benchmarks: two routes for each file of a folder.

`python benchmarks/bare.py FOLDER` listens on the loopback port PORT. `POST /name` responds with the bytes of the file
from memory, `GET /name` with a `FileResponse`.
"""

import os
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, Response


def application(folder: Path) -> FastAPI:
    app = FastAPI()
    for path in folder.iterdir():
        _add_routes(app, path)
    return app


def _add_routes(app: FastAPI, path: Path) -> None:
    content = path.read_bytes() if path.stat().st_size < 2**24 else b""

    @app.post(f"/{path.name}", response_class=Response)
    async def from_memory() -> Response:
        return Response(content, media_type="application/json")

    @app.get(f"/{path.name}", response_class=FileResponse)
    async def from_file() -> FileResponse:
        return FileResponse(path)


if __name__ == "__main__":
    uvicorn.run(
        application(Path(sys.argv[1])),
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        log_config=None,
        access_log=False,
        server_header=False,
    )
