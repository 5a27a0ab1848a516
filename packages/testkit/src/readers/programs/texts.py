"""Readers of JSON and queries in Python: json, urllib, werkzeug. See frames.ts for the frames, texts.ts for the entries."""

import base64
import json
import platform
import sys


def encode(text):
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def walk(path, value, entries):
    if isinstance(value, dict):
        entries.append([path, encode("{}"), False])
        for name, inner in value.items():
            walk(f"{path}\x1f{name}", inner, entries)
    elif isinstance(value, list):
        entries.append([path, encode("[]"), False])
        for at, inner in enumerate(value):
            walk(f"{path}\x1f{at}", inner, entries)
    elif isinstance(value, str):
        entries.append([path, encode(f"text {value}"), False])
    elif value is None or isinstance(value, bool):
        entries.append([path, encode({None: "null", True: "true", False: "false"}[value]), False])
    else:
        entries.append([path, encode(f"number {value!r}"), False])


def of_json(body):
    entries = []
    walk("", json.loads(body), entries)
    return entries


def of_urllib(body):
    from urllib.parse import parse_qsl

    pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True)
    return [[name, encode(value), False] for name, value in pairs]


def of_werkzeug(body):
    from werkzeug.wrappers import Request

    request = Request({"QUERY_STRING": body.decode("ascii"), "REQUEST_METHOD": "GET"})
    return [[name, encode(value), False] for name, value in request.args.items(multi=True)]


def version_of(which):
    if which != "werkzeug":
        return platform.python_version()
    from importlib.metadata import version

    return version("werkzeug")


which = sys.argv[1]
read = {"json": of_json, "urllib": of_urllib, "werkzeug": of_werkzeug}[which]
sys.stdout.write(json.dumps({"version": version_of(which)}) + "\n")
sys.stdout.flush()
while True:
    line = sys.stdin.buffer.readline()
    if not line:
        break
    type_bytes, body_bytes = map(int, line.split())
    sys.stdin.buffer.read(type_bytes)
    frame = sys.stdin.buffer.read(body_bytes)
    try:
        answer = {"entries": read(frame)}
    except Exception as error:  # Whatever a reader gives up with is its answer.
        answer = {"entries": [], "refused": f"{type(error).__name__}: {error}"[:200]}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
