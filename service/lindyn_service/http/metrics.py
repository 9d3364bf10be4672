"""Route of the metrics for Prometheus."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from lindyn_service.telemetry.metrics import Metrics

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return the metrics of all processes that listen on the same address."""
    collected: Metrics = request.app.state.metrics
    return Response(collected.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})
