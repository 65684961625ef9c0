# Everything that a runner needs to reproduce the results, on a CPU or on an NVIDIA GPU: docs/reproducing.md.
# CUDA comes with PyTorch's wheels; the host needs NVIDIA's driver and its container toolkit.
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# git: DVC and `make verify` ask it; g++ and make: compiled training steps, and the Makefile.
# No versions: the pinned release of Debian gets security updates only, and keeps no old ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ git make \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory /work

# The environment is outside of /work, where the repository is mounted: its .venv would hide this one.
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1
COPY requirements.txt /opt/
RUN python -m venv /opt/venv \
    && pip install --no-cache-dir --requirement /opt/requirements.txt

# The owner of the files on the host: docker build --build-arg USER_ID=$(id -u)
ARG USER_ID=1000
RUN useradd --create-home --uid "$USER_ID" runner \
    && install --directory --owner runner /work
USER $USER_ID
WORKDIR /work

CMD ["dvc", "repro"]
