"""Route of the metrics for Prometheus."""

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from lindyn_service.http.dependencies import ResourcesDep

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(resources: ResourcesDep) -> Response:
    """Return the metrics of all processes that listen on the same address."""
    return Response(resources.metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})
