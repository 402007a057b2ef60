# The serving image: the base install and Parquet for `load` and `log export`; nothing that trains.
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}

ENV PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/app/.venv \
    PATH=/app/.venv/bin:$PATH

WORKDIR /app
COPY pyproject.toml uv.lock README.md ./
COPY protos protos
COPY models models
COPY training training
COPY service service
RUN python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9 \
    && /opt/uv/bin/uv sync --frozen --no-cache --no-editable --compile-bytecode --extra data \
    && rm -r /opt/uv \
    && useradd --system --uid 10001 --no-create-home throughline \
    && install -d -o throughline -g throughline /var/lib/throughline

USER 10001
WORKDIR /var/lib/throughline
VOLUME /var/lib/throughline
EXPOSE 50051
ENTRYPOINT ["throughline"]
