"""Readers of forms in Python: email, cgi, werkzeug, aiohttp, starlette, django, tornado. See frames.ts for the frames."""

import asyncio
import base64
import io
import json
import sys
import warnings

warnings.simplefilter("ignore")


def encode(value):
    return base64.b64encode(value if isinstance(value, bytes) else value.encode("utf-8")).decode()


def of_email():
    import email
    import email.policy
    import platform

    def read(content_type, body):
        head = b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n"
        message = email.message_from_bytes(head + body)
        if not message.is_multipart():
            raise ValueError("not multipart")
        entries = []
        for part in message.get_payload():
            name = part.get_param("name", header="content-disposition")
            entries.append([name, encode(part.get_payload(decode=True)), part.get_filename() is not None])
        return entries

    return platform.python_version(), read


def of_cgi():
    import cgi
    import platform

    def read(content_type, body):
        environment = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
        form = cgi.FieldStorage(fp=io.BytesIO(body), environ=environment, keep_blank_values=True)
        entries = []
        for field in form.list:
            entries.append([field.name, encode(field.value), field.filename is not None])
        return entries

    return platform.python_version(), read


def of_werkzeug():
    import werkzeug
    from werkzeug.formparser import FormDataParser
    from werkzeug.http import parse_options_header

    def read(content_type, body):
        mimetype, options = parse_options_header(content_type)
        parser = FormDataParser(silent=False)
        _, form, files = parser.parse(io.BytesIO(body), mimetype, len(body), options)
        entries = [[name, encode(value), False] for name, value in form.items(multi=True)]
        for name, value in files.items(multi=True):
            entries.append([name, encode(value.read()), True])
        return entries

    return werkzeug.__version__, read


def of_aiohttp():
    import aiohttp
    from aiohttp import web
    from aiohttp.streams import StreamReader
    from aiohttp.test_utils import make_mocked_request
    from multidict import CIMultiDict
    from unittest import mock

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    async def posted(content_type, body):
        stream = StreamReader(mock.Mock(_reading_paused=False), 2**24, loop=loop)
        stream.feed_data(body)
        stream.feed_eof()
        headers = CIMultiDict({"Content-Type": content_type, "Content-Length": str(len(body))})
        request = make_mocked_request("POST", "/", headers=headers, payload=stream, client_max_size=2**26)
        entries = []
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                entries.append([name, encode(value.file.read()), True])
            else:
                entries.append([name, encode(value if isinstance(value, (str, bytes)) else bytes(value)), False])
        return entries

    return aiohttp.__version__, lambda content_type, body: loop.run_until_complete(posted(content_type, body))


def of_starlette():
    import multipart
    import starlette
    from starlette.datastructures import Headers, UploadFile
    from starlette.formparsers import MultiPartParser

    loop = asyncio.new_event_loop()

    async def form(content_type, body):
        async def stream():
            yield body
            yield b""

        headers = Headers({"content-type": content_type})
        found = await MultiPartParser(headers, stream(), max_fields=5000, max_files=5000).parse()
        entries = []
        for name, value in found.multi_items():
            if isinstance(value, UploadFile):
                entries.append([name, encode(await value.read()), True])
            else:
                entries.append([name, encode(value), False])
        return entries

    version = f"{starlette.__version__} with python-multipart {multipart.__version__}"
    return version, lambda content_type, body: loop.run_until_complete(form(content_type, body))


def of_django():
    import django
    from django.conf import settings

    settings.configure(DATA_UPLOAD_MAX_MEMORY_SIZE=2**26, DATA_UPLOAD_MAX_NUMBER_FIELDS=5000)
    from django.core.files.uploadhandler import MemoryFileUploadHandler
    from django.http.multipartparser import MultiPartParser

    def read(content_type, body):
        meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
        handler = MemoryFileUploadHandler()
        handler.activated = True
        form, files = MultiPartParser(meta, io.BytesIO(body), [handler], "utf-8").parse()
        entries = [[name, encode(value), False] for name, values in form.lists() for value in values]
        for name, values in files.lists():
            for value in values:
                entries.append([name, encode(value.read()), True])
        return entries

    return django.get_version(), read


def of_tornado():
    import logging

    import tornado
    from tornado.httputil import parse_body_arguments

    complaints = []

    class Complaints(logging.Handler):
        def emit(self, record):
            complaints.append(record.getMessage())

    log = logging.getLogger("tornado.general")
    log.addHandler(Complaints())
    log.propagate = False

    def read(content_type, body):
        form, files = {}, {}
        complaints.clear()
        parse_body_arguments(content_type, body, form, files)
        entries = [[name, encode(value), False] for name, values in form.items() for value in values]
        for name, values in files.items():
            for value in values:
                entries.append([name, encode(value.body), True])
        # It goes on without what it could not read, and says so in its log alone.
        if complaints:
            raise ValueError(complaints[0])
        return entries

    return tornado.version, read


def main():
    version, read = {
        "email": of_email,
        "cgi": of_cgi,
        "werkzeug": of_werkzeug,
        "aiohttp": of_aiohttp,
        "starlette": of_starlette,
        "django": of_django,
        "tornado": of_tornado,
    }[sys.argv[1]]()
    out = sys.stdout
    out.write(json.dumps({"version": version}) + "\n")
    out.flush()
    while True:
        line = sys.stdin.buffer.readline()
        if not line:
            return
        type_bytes, body_bytes = map(int, line.split())
        content_type = sys.stdin.buffer.read(type_bytes).decode("latin-1")
        body = sys.stdin.buffer.read(body_bytes)
        try:
            answer = {"entries": read(content_type, body)}
        except Exception as error:
            answer = {"entries": [], "refused": f"{type(error).__name__}: {error}"[:200]}
        out.write(json.dumps(answer) + "\n")
        out.flush()


main()
