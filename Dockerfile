FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 review \
    && mkdir /data && chown review /data
WORKDIR /srv/vmi-review
COPY --chown=review . .
RUN chown review /srv/vmi-review
USER 1000
RUN ./run --install

ENV VMI_REVIEW_HOST=0.0.0.0 \
    VMI_REVIEW_PORT=8006 \
    VMI_REVIEW_DATA_DIR=/data
EXPOSE 8006
VOLUME /data
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD \
    [".venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8006/healthz')"]
CMD ["./run"]
