# The image of every step on a cluster: satsr and what it needs, of stacks/requirements.lock; no recipes, no data, no
# secrets. ZenML brings recipes and settings into /app when a step begins.
#
#   podman build --tag registry.example.org/satsr:0.1.0 .
#   podman build --tag satsr:cpu --build-arg PIP_EXTRA_INDEX_URL=... .     with an index that has torch without CUDA
#
# It is built in two parts, so that neither pip's cache nor the sources stay.
ARG BASE=python:3.11-slim

FROM ${BASE} AS built
ARG PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS
RUN python3 -m venv /opt/satsr
ENV PATH=/opt/satsr/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY stacks/requirements.lock /build/
RUN pip install --requirement /build/requirements.lock && pip check
COPY pyproject.toml README.md LICENSE /build/source/
COPY satsr /build/source/satsr
# Installed, not editable: `import zenml` calls satsr.quiet, in an empty /app, before any code is there.
RUN pip install --no-deps --no-build-isolation /build/source

FROM ${BASE}
# rasterio's wheel brings everything but this
RUN apt-get update && apt-get install --yes --no-install-recommends libexpat1 && rm -rf /var/lib/apt/lists/*
COPY --from=built /opt/satsr /opt/satsr
# Whoever runs it (ZenML's local_docker takes the number of the user who submits) may write into /app and the home.
RUN useradd --uid 1000 --create-home satsr && mkdir /app && chmod 1777 /app /home/satsr
# The code that arrives goes before what is installed: see satsr/quiet.py.
ENV PATH=/opt/satsr/bin:$PATH HOME=/home/satsr SATSR_CODE=/app/code PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 1000
WORKDIR /app
RUN python -c "import zenml.client, satsr.stack.kubeflow, mlflow, torch, rasterio, dvc.api"
