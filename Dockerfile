# syntax=docker/dockerfile:1
# One image for every process: `hasp api`, `hasp worker`, `hasp migrate`, `hasp sandbox` and the admin commands.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /build
COPY requirements-stack.lock ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-stack.lock
COPY . .
RUN python -m pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels .

FROM ${PYTHON_IMAGE} AS environment
COPY requirements.lock ./
RUN python -m venv /opt/hasp \
 && /opt/hasp/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY --from=wheel /wheels /wheels
RUN /opt/hasp/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-index /wheels/*.whl \
 && /opt/hasp/bin/python -m compileall -q /opt/hasp/lib

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 hasp \
 && useradd --uid 10001 --gid hasp --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin hasp
COPY --from=environment /opt/hasp /opt/hasp
ENV PATH=/opt/hasp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LC_ALL=C.UTF-8 \
    HASP_API_HOST=0.0.0.0 \
    HASP_API_PORT=8080
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
# For `hasp api`; docker-compose.yml has the other processes' own checks.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['HASP_API_PORT'] + '/livez', timeout=3)"]
ENTRYPOINT ["hasp"]
CMD ["api"]
