# Idempotency Gateway, from source to an image that holds Python, its libraries and the gateway, and nothing else: no
# shell, no package manager, no compiler. Any OCI builder makes it:
#
#     docker build --tag idempotency-gateway .
#
# tests/image runs these same stages in a plain Debian, and the result as a container would be run.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
# Instants that would differ from build to build are this one: 2026-11-28.
ARG SOURCE_DATE_EPOCH=1795824000
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# What changes rarely comes first. Only wheels whose hashes are known; nothing is compiled here.
COPY requirements.lock requirements-build.lock ./
RUN python3.11 -m venv --without-pip /opt/gateway && \
    python3.11 -m pip --python /opt/gateway/bin/python install --quiet --no-compile --no-deps \
      --require-hashes --only-binary :all: -r requirements.lock && \
    python3.11 -m venv --without-pip builder && \
    python3.11 -m pip --python builder/bin/python install --quiet --no-deps \
      --require-hashes --only-binary :all: -r requirements-build.lock

COPY pyproject.toml README.md ./
COPY gateway ./gateway
RUN builder/bin/python -m hatchling build -t wheel -d dist && \
    python3.11 -m pip --python /opt/gateway/bin/python install --quiet --no-compile --no-deps --no-index dist/*.whl

COPY sbom.cdx.json image/lay_out.py ./
RUN ["python3.11", "lay_out.py", "/opt/gateway", "/laid-out", "sbom.cdx.json"]

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="idempotency-gateway" \
      org.opencontainers.image.description="A reverse proxy that makes retries safe: one key, one upstream call, one answer." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="python:3.11-slim-bookworm" \
      idempotency-gateway.sbom="/usr/share/sbom/idempotency-gateway.cdx.json"
COPY --from=build /laid-out/root /
# The only places that it writes to: an SQLite file, and large bodies while they are read.
COPY --from=build --chown=65532:65532 /laid-out/empty /var/lib/idempotency-gateway
COPY --from=build --chown=65532:65532 /laid-out/empty /tmp
ENV PATH=/opt/gateway/bin LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /var/lib/idempotency-gateway
VOLUME ["/var/lib/idempotency-gateway", "/tmp"]
USER 65532:65532
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["idempotency-gateway", "health"]
ENTRYPOINT ["idempotency-gateway"]
CMD ["serve", "--config", "/etc/idempotency-gateway/gateway.yaml"]
