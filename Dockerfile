# The service as one image: `docker build -t agentes .`, then
# `docker run --stop-timeout 30 -p 8000:8000 -v agentes:/data agentes`; it ends within 25 s of SIGTERM.

FROM python:3.11.14-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /service
RUN python -m venv /opt/venv
COPY requirements.txt ./
# EXTRAS: packages that README names for traces, reports of failures or a search tool without a key.
ARG EXTRAS=""
RUN /opt/venv/bin/pip install --quiet --requirement requirements.txt ${EXTRAS}
COPY main.py LICENSE ./
COPY app ./app
COPY supabase/migrations ./supabase/migrations
COPY examples ./examples
RUN /opt/venv/bin/python -m compileall -q app main.py

FROM python:3.11.14-slim-bookworm
# Nobody has to write below /service; the embedded database and the keys of a first start are in /data.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data LOG_FORMAT=json
RUN groupadd --gid 10001 agentes \
    && useradd --uid 10001 --gid agentes --home-dir /data --no-create-home --shell /usr/sbin/nologin agentes \
    && install --directory --owner agentes --group agentes --mode 0750 /data
WORKDIR /service
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages /service /service
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT') or 8000}/health/live\", timeout=3)"]
CMD ["python", "-m", "app.command_line", "serve"]
