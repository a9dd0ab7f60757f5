"""Uploads: one file in a multipart body, bounded in size, written to the disk and not held in memory."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from typing import IO, Any, ClassVar

from django.conf import settings
from django.core.exceptions import TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import QueryDict
from django.http.multipartparser import MultiPartParser as DjangoParser
from django.http.multipartparser import MultiPartParserError
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, DataAndFiles

from core.api.parsers import refuse_encodings
from core.api.serializers import prefers_strict, refuse_unknown_names
from core.files.names import clean_name
from core.files.scanning import refuse_infected
from core.files.services import refusal
from core.web.errors import ApiError, FieldError

FIELD = "file"
TAIL_BYTES = 1024
MAX_NAME_LENGTH = 255


class FileTooLarge(ApiError):
    code = "PAYLOAD_TOO_LARGE"

    def __init__(self) -> None:
        message = _("The file is too large: it may have at most %(max)d bytes.")
        super().__init__(message=message % {"max": settings.MAX_UPLOAD_BYTES})


class Body:
    """The stream of a body, whose last bytes show whether it is complete. Django reads no more than Content-Length."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.tail = stream, b""

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self.tail = (self.tail + chunk)[-TAIL_BYTES:]
        return chunk


class Parser(DjangoParser):
    def sanitize_file_name(self, file_name: str) -> str:
        return clean_name(file_name)


class TemporaryFileHandler(FileUploadHandler):
    """Handler that writes the file into a temporary file without a name, which is deleted when its process ends."""

    spool: Any = None

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, *args, **kwargs)
        if field_name != FIELD:
            message = f"Only `{FIELD}` may be a file."
            raise FieldError(field_name[:MAX_NAME_LENGTH] or None, "unexpected_file", message)
        if self.spool is not None:
            raise FieldError(FIELD, "one_file", "Send one file at a time.")
        self.spool = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 - the upload closes it

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > settings.MAX_UPLOAD_BYTES:
            raise FileTooLarge
        self.spool.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile:
        self.spool.seek(0)
        return UploadedFile(self.spool, self.file_name, self.content_type, file_size)

    def close(self) -> None:
        if self.spool is not None:
            self.spool.close()


class UploadParser(BaseParser):
    """A parser of `multipart/form-data` with one `file`. Other fields are ignored or, as unknown ones of JSON are,
    refused; a subclass names those that it knows."""

    media_type = "multipart/form-data"
    known_fields: ClassVar[frozenset[str]] = frozenset()

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request = (parser_context or {})["request"]
        meta = request.META
        refuse_encodings(meta, "")
        declared = meta.get("CONTENT_LENGTH", "")
        if declared.isdecimal() and int(declared) > settings.MAX_BODY_BYTES:
            raise FileTooLarge
        body, handler = Body(stream), TemporaryFileHandler()
        with ExitStack() as on_error:
            on_error.callback(handler.close)
            try:
                fields, files = Parser(meta, body, [handler], "utf-8").parse()  # type: ignore[arg-type]
            except (MultiPartParserError, TooManyFilesSent) as error:
                raise ParseError from error
            except OSError as error:
                raise refusal(error) from error
            boundary = parse_header_parameters(meta["CONTENT_TYPE"])[1]["boundary"].encode()
            if handler.spool is not None and not (files and b"--" + boundary + b"--" in body.tail):
                raise ParseError  # the body is not complete
            if prefers_strict(request):
                refuse_unknown_names(fields, self.known_fields)
            on_error.pop_all()
        known = QueryDict(mutable=True)
        for name in self.known_fields & fields.keys():
            known.setlist(name, fields.getlist(name))
        return DataAndFiles(known, files)


def uploaded_file(data: Any) -> UploadedFile:
    """Return the file of a parsed body, which the scanner has found clean. Call it outside any transaction. Raises
    FieldError and ScannerUnavailable."""
    upload = data.get(FIELD)
    if not isinstance(upload, UploadedFile):
        raise FieldError(FIELD, "required", "This field is required, as a file.")
    if not upload.size:
        raise FieldError(FIELD, "empty", "The file is empty.")
    refuse_infected(upload, FIELD)
    return upload
