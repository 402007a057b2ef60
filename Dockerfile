# Two images: `serve`, the default, answers calls; `train` makes releases and moves data.
# Whatever installs or compiles stays behind in the build stages. BASE is a Python 3.11 to 3.13 on
# Debian; a release names it with its digest.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS installer
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/app \
    UV_PYTHON_DOWNLOADS=never \
    UV_SYSTEM_CERTS=1
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
ENV PATH=/opt/uv/bin:$PATH
WORKDIR /src

# Dependencies before code: a change of code installs none of them again.
FROM installer AS dependencies
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-install-project

FROM dependencies AS training-dependencies
# The compiler is Debian's of the day; it leaves nothing but one extension behind.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
# LightFM compiles for the very machine that builds it, and its published wheels need AVX2 and FMA;
# these flags, its own but for that, run on any x86-64 since 2009 and on any ARM.
RUN if [ "$(uname -m)" = x86_64 ]; then march=-march=x86-64-v2; fi \
    && LIGHTFM_NO_CFLAGS=1 CFLAGS="-O3 -ffast-math -fno-finite-math-only ${march:-}" \
    uv sync --frozen --no-install-project --extra train --extra data \
    --no-binary-package lightfm-next

# Our own packages, under a prefix that is laid over the environment of either image.
FROM dependencies AS project
COPY README.md LICENSE ./
COPY protos/throughline protos/throughline
COPY models models
COPY training training
COPY service service
COPY demo demo
RUN uv pip install --python /app/bin/python --prefix /project --no-deps .
# Compiled code beside its source, where a read-only root could keep none: it saves each start 20 s
# of a core.
RUN ["/app/bin/python", "-P", "-c", "import glob, sys; sys.path += glob.glob('/project/lib/*/site-packages'); import service.server.lifecycle"]

FROM ${BASE} AS runtime
# No installer and no file that gives its user more rights. The account only has a name.
RUN site="$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && rm -rf "$site"/pip "$site"/pip-* "$site"/setuptools* "$site"/wheel* /usr/local/bin/pip* \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && groupadd --gid 10001 throughline \
    && useradd --no-log-init --uid 10001 --gid 10001 --no-create-home \
    --home-dir /var/lib/throughline --shell /usr/sbin/nologin throughline \
    && install --directory --owner 10001 --group 10001 /var/lib/throughline
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/throughline
VOLUME /var/lib/throughline
STOPSIGNAL SIGTERM
ENTRYPOINT ["throughline"]

FROM runtime AS train
# LightFM's threads; as above, of the day.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=training-dependencies /app /app
COPY --from=project /project /app
USER 10001:10001
CMD ["--help"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Throughline, training" \
      org.opencontainers.image.description="Makes releases for Throughline, and moves data in and out" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS serve
COPY --from=dependencies /app /app
COPY --from=project /project /app
# Several threads for one small product cost more than they gain, and starve the other calls.
ENV OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1
USER 10001:10001
EXPOSE 50051
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["throughline", "health"]
CMD ["serve"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Throughline" \
      org.opencontainers.image.description="The same next best offer for a person on every channel, in milliseconds" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
