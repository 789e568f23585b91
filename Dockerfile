# One image for api, worker and ui; the command decides. Weights come from packages, so nothing is downloaded at run time.
FROM python:3.11-slim-bookworm

# The compiler builds the decode steps for the processor that the container runs on (model/native).
# Tesseract reads scanned pages (English; add tesseract-ocr-deu and so on for other languages).
RUN apt-get update && apt-get install --yes --no-install-recommends g++ tesseract-ocr && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 10001 footnote && mkdir /data && chown footnote /data
WORKDIR /srv/footnote

# An index with CPU builds of torch keeps the image small: --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL=""
COPY requirements.lock ./
RUN pip install --no-cache-dir torch==2.13.0 && pip install --no-cache-dir -r requirements.lock

COPY pyproject.toml README.md ./
COPY app app
COPY model model
COPY retrieval retrieval
COPY ingest ingest
COPY ui ui
COPY bench bench
COPY samples/files samples/files
RUN pip install --no-cache-dir --no-deps --editable .

USER footnote
ENV FOOTNOTE_DATA_DIR=/data
VOLUME /data
ENTRYPOINT ["footnote"]
CMD ["serve"]
