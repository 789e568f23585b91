"""Streams a multipart upload straight into the blob store (RFC 7578).

A framework's form parser spools the whole body to the temporary folder before any limit is applied and
copies it again afterwards. Here every part is hashed and bounded as it arrives, and a part that is
refused (too large, disk full) is skipped while its neighbours are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.documents.blobs import BlobStore, BlobWriter, StagedBlob
from app.documents.file_names import clean_file_name
from app.errors import AppError, InvalidRequest

MAX_FIELD_BYTES = 1000
FILES_FIELD = "files"
FIELDS = frozenset({"collection_id", "document_id", "on_existing", "password"})


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """One file part: its bytes, or why they were refused."""

    file_name: str
    staged: StagedBlob | None
    error: AppError | None


class MultipartReceiver:
    """Feed it the request body with `write`, then call `finish`; `discard` undoes everything."""

    def __init__(self, content_type: str, blobs: BlobStore, *, max_bytes: int, max_files: int) -> None:
        self.files: list[ReceivedFile] = []
        self.fields: dict[str, str] = {}
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._header_name = b""
        self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._field_name = ""
        self._field_value: bytearray | None = None
        self._file_name: str | None = None
        self._writer: BlobWriter | None = None
        self._error: AppError | None = None
        self._complete = False
        self._parser = MultipartParser(
            _boundary(content_type),
            {
                "on_part_begin": self._headers_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_text,
                "on_header_end": self._header_end,
                "on_headers_finished": self._part_begin,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def write(self, data: bytes) -> None:
        """Consumes a piece of the body; raises InvalidRequest when it is not multipart form data."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _malformed(str(error)) from error

    def finish(self) -> None:
        """Checks that the body was complete; raises InvalidRequest."""
        if not self._complete:
            raise _malformed("the body ends before its closing boundary")
        if not self.files:
            raise InvalidRequest("The upload contains no file.", field=FILES_FIELD)

    def discard(self) -> None:
        """Removes every byte received; harmless for files that have been published."""
        if self._writer is not None:
            self._writer.abort()
        for file in self.files:
            if file.staged is not None:
                file.staged.discard()

    def _headers_begin(self) -> None:
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _part_begin(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            self._file_begin(name, options[b"filename"].decode("utf-8", "replace"))
        else:
            self._field_begin(name)

    def _file_begin(self, field: str, file_name: str) -> None:
        if field != FILES_FIELD:
            raise _unknown_field(field)
        if len(self.files) >= self._max_files:
            raise InvalidRequest(f"At most {self._max_files} files fit in one upload.", field=FILES_FIELD)
        self._file_name, self._error = clean_file_name(file_name), None
        try:
            self._writer = self._blobs.writer(self._max_bytes)
        except AppError as error:
            self._error = error

    def _field_begin(self, name: str) -> None:
        if name not in FIELDS:
            raise _unknown_field(name)
        self._field_name, self._field_value = name, bytearray()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field_value is not None:
            self._field_data(data[start:end])
        elif self._writer is not None:
            try:
                self._writer.write(data[start:end])
            except AppError as error:  # this part is refused, the rest of the upload goes on
                self._writer, self._error = None, error

    def _field_data(self, data: bytes) -> None:
        assert self._field_value is not None
        self._field_value += data
        if len(self._field_value) > MAX_FIELD_BYTES:
            raise InvalidRequest(f"The field {self._field_name} is too long.", field=self._field_name)

    def _part_end(self) -> None:
        if self._field_value is not None:
            self.fields[self._field_name] = self._field_value.decode("utf-8", "replace")
            self._field_value = None
        elif self._file_name is not None:
            self._file_end(self._file_name)

    def _file_end(self, file_name: str) -> None:
        staged = None
        if self._writer is not None:
            try:
                staged = self._writer.finish()
            except AppError as error:
                self._error = error
        self.files.append(ReceivedFile(file_name, staged, self._error))
        self._writer = self._file_name = None

    def _end(self) -> None:
        self._complete = True


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise _malformed("the content type is not multipart/form-data with a boundary")
    return options[b"boundary"]


def _malformed(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The upload could not be read: {why}.", next_step="Send the files as multipart form data."
    )


def _unknown_field(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"Unknown form field {name!r}.",
        next_step=f"Send `files` and, where needed, {', '.join(sorted(FIELDS))}.",
        field=name,
    )
