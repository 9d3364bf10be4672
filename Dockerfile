# The service and nothing else: a virtual environment from locked, hashed wheels, run by a user without rights.
# A tag may be moved: build for others from a digest, --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
# pip stays outside of it, since the service installs nothing
RUN python -m venv --without-pip /opt/venv
WORKDIR /build
COPY locks/service.txt locks/build.txt locks/
RUN pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: -r locks/service.txt \
    && pip install --require-hashes --only-binary :all: -r locks/build.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY client client
COPY service service
# built by what stays here
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/venv/bin/python install --no-deps /wheels/*.whl

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 lindyn \
    && useradd --uid 10001 --gid lindyn --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin lindyn \
    && install --directory --owner lindyn --group lindyn --mode 0700 /var/lib/lindyn
COPY --from=builder /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LINDYN_HOST=0.0.0.0 \
    LINDYN_PORT=8000 \
    LINDYN_SPOOL_FOLDER=/var/lib/lindyn
# /var/lib/lindyn is to be a volume: large answers are kept there, and nothing else grows.
# 0.0.0.0 needs LINDYN_API_KEYS_FILE, or LINDYN_ALLOW_ANONYMOUS=1 where the port is published to this machine only.
# by number, so that an orchestrator can tell that it is not root
USER 10001:10001
EXPOSE 8000
# /readyz, not /healthz: healthy means that a worker answers. Without its shared cache the service is degraded, still ready.
# No proxies: Docker hands those of its user to containers, and urllib would ask one for 127.0.0.1.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ['LINDYN_PORT']}/readyz\", timeout=4)"]
CMD ["python", "-m", "lindyn_service"]
