"""A server of buckets in memory: the part of Google Cloud Storage's JSON API that gcsfs, Orbax and TensorStore use.

`environment` gives the variables that send their requests to the server. Names, preconditions and generations follow
https://cloud.google.com/storage/docs/json_api/v1.
"""

import base64
import contextlib
import dataclasses
import datetime
import hashlib
import http.server
import itertools
import json
import re
import sys
import threading
import urllib.parse
from collections.abc import Iterator

BUCKET = "bucket"
FORBIDDEN = "forbidden"  # a bucket of somebody else
_OBJECT = re.compile(r"/(?:download/|upload/)?(?:resumable/)?storage/v1/b/([^/]+)(?:/o(?:/([^/]+))?)?")
_COPY = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+)/(rewriteTo|moveTo)(?:/b/[^/]+)?/o/([^/]+)")


@dataclasses.dataclass
class Server:
    """A running server.

    Attributes:
      address: URL of the server.
      objects: content and generation of each object, by bucket and name.
      requests: method and path of each request, in the order of arrival.
    """

    address: str
    objects: dict[tuple[str, str], tuple[bytes, int]]
    requests: list[tuple[str, str]]

    def environment(self) -> dict[str, str]:
        """Returns the environment variables of a process whose requests go to this server."""
        return {
            "STORAGE_EMULATOR_HOST": self.address,  # gcsfs, google-cloud-storage
            "TENSORSTORE_GCS_HTTP_URL": self.address,
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "none",  # TensorStore
            "FSSPEC_GCS_TOKEN": "anon",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # zonal buckets, which have a gRPC API
        }

    def names(self, folder: str) -> set[str]:
        """Returns the names of the objects in a folder of the bucket, relative to it."""
        prefix = f"{folder}/"
        stored = [name for bucket, name in self.objects if bucket == BUCKET]
        return {name.removeprefix(prefix) for name in stored if name.startswith(prefix)}


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Yields a server with one empty bucket, `BUCKET`, until the end of the context."""
    httpd = _HTTPServer(("127.0.0.1", 0), _Handler)
    server = Server(f"http://127.0.0.1:{httpd.server_port}", {}, [])
    httpd.served, httpd.lock = server, threading.Lock()
    httpd.generations, httpd.uploads = itertools.count(1), {}
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


class _HTTPServer(http.server.ThreadingHTTPServer):
    """A server that does not report connections that a client has closed, or lost when it was killed."""

    def handle_error(self, *arguments: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*arguments)


class _AnswerError(Exception):
    """An answer other than 200, such as 404 for a missing object."""

    def __init__(self, status: int):
        self.status = status


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Writes no log."""

    def do_GET(self) -> None:
        self._respond(self._get)

    def do_POST(self) -> None:
        self._respond(self._post)

    def do_DELETE(self) -> None:
        self._respond(self._delete)

    def _respond(self, act) -> None:
        url = urllib.parse.urlsplit(self.path)
        self._query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self._path, self._body = url.path, self._read_body()
        self.server.served.requests.append((self.command, self.path))
        try:
            with self.server.lock:
                status, headers, content = act()
        except _AnswerError as answer:
            error = {"error": {"code": answer.status, "message": f"answer {answer.status}", "errors": []}}
            content = b"" if answer.status == 304 else json.dumps(error).encode()  # 304 has no content
            status, headers = answer.status, {}
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _names(self) -> tuple[str, str | None]:
        match = _OBJECT.fullmatch(self._path)
        if match is None:
            raise _AnswerError(400)
        bucket, name = (part and urllib.parse.unquote(part) for part in match.groups())
        if bucket == FORBIDDEN:
            raise _AnswerError(403)
        if bucket != BUCKET:
            raise _AnswerError(404)
        return bucket, name

    def _stored(self, bucket: str, name: str) -> tuple[bytes, int]:
        stored = self.server.served.objects.get((bucket, name))
        if stored is None:
            raise _AnswerError(404)
        return stored

    def _check_generation(self, bucket: str, name: str, query: dict[str, str]) -> None:
        """Checks the precondition of a change; generation 0 is that of a missing object."""
        generation = self.server.served.objects.get((bucket, name), (b"", 0))[1]
        if int(query.get("ifGenerationMatch", generation)) != generation:
            raise _AnswerError(412)

    def _get(self) -> tuple[int, dict[str, str], bytes]:
        if self._path.endswith("/o"):
            return 200, {}, json.dumps(self._listing(*self._names())).encode()
        bucket, name = self._names()
        if name is None:
            return 200, {}, json.dumps({"kind": "storage#bucket", "name": bucket, "id": bucket}).encode()
        content, generation = self._stored(bucket, name)
        if self._query.get("alt") != "media":
            return 200, {}, json.dumps(_described(bucket, name, content, generation)).encode()
        if self._query.get("ifGenerationNotMatch") == str(generation):
            raise _AnswerError(304)
        headers = {"Content-Type": "application/octet-stream", "x-goog-generation": str(generation)}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            return 200, headers, content
        first = int(wanted[1]) if wanted[1] else max(0, len(content) - int(wanted[2]))
        end = min(int(wanted[2]) + 1, len(content)) if wanted[1] and wanted[2] else len(content)
        if first >= end:
            raise _AnswerError(416)
        return 206, headers | {"Content-Range": f"bytes {first}-{end - 1}/{len(content)}"}, content[first:end]

    def _listing(self, bucket: str, _: None) -> dict[str, object]:
        prefix, delimiter = self._query.get("prefix", ""), self._query.get("delimiter", "")
        start, end = self._query.get("startOffset", ""), self._query.get("endOffset", "")
        items, prefixes = [], set()
        for (owner, name), (content, generation) in sorted(self.server.served.objects.items()):
            if owner != bucket or not name.startswith(prefix) or name < start or (end and name >= end):
                continue
            rest = name[len(prefix) :]
            if delimiter and delimiter in rest:
                prefixes.add(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                items.append(_described(bucket, name, content, generation))
        return {"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)}

    def _post(self) -> tuple[int, dict[str, str], bytes]:
        if self._path.startswith("/batch/"):
            return self._batch()
        copy = _COPY.fullmatch(self._path)
        if copy is not None:
            source, target = map(urllib.parse.unquote, copy.group(2, 4))
            described = self._store(BUCKET, target, self._stored(BUCKET, source)[0])
            if copy[3] == "moveTo":
                del self.server.served.objects[BUCKET, source]
                return 200, {}, json.dumps(described).encode()
            return 200, {}, json.dumps({"done": True, "resource": described}).encode()
        if "upload_id" in self._query:
            return self._continue_upload()
        bucket, _ = self._names()
        kind, name = self._query.get("uploadType"), self._query.get("name")
        if kind == "media":
            return 200, {}, json.dumps(self._store(bucket, name, self._body)).encode()
        if kind == "multipart":
            described, content = _parts(self._body, self.headers["Content-Type"])
            return 200, {}, json.dumps(self._store(bucket, json.loads(described)["name"], content)).encode()
        identity = str(next(self.server.generations))
        name = name or json.loads(self._body)["name"]
        self.server.uploads[identity] = (bucket, name, bytearray(), dict(self._query))
        location = f"{self.server.served.address}/upload/storage/v1/b/{bucket}/o?upload_id={identity}"
        return 200, {"Location": location}, b"{}"

    def _continue_upload(self) -> tuple[int, dict[str, str], bytes]:
        """Appends to a resumable upload, which stores the object at its end."""
        bucket, name, received, query = self.server.uploads[self._query["upload_id"]]
        received += self._body
        if self.headers.get("Content-Range", "/").endswith("/*"):
            return 308, {"Range": f"bytes=0-{len(received) - 1}"}, b""
        return 200, {}, json.dumps(self._store(bucket, name, bytes(received), query)).encode()

    def _delete(self) -> tuple[int, dict[str, str], bytes]:
        bucket, name = self._names()
        if name is None:
            return 204, {}, b""  # the end of an upload
        self._check_generation(bucket, name, self._query)
        self._stored(bucket, name)
        del self.server.served.objects[bucket, name]
        return 204, {}, b""

    def _batch(self) -> tuple[int, dict[str, str], bytes]:
        """Deletes several objects, the only batch that the clients send."""
        answers = []
        for path in re.findall(rb"DELETE (?:https?://[^/ ]+)?(/\S+) HTTP", self._body):
            self._path, self._query = path.decode().partition("?")[0], {}
            try:
                status, _, _ = self._delete()
            except _AnswerError as answer:
                status = answer.status
            answers.append(
                f"--batch\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {status} X\r\n\r\n\r\n"
            )
        content = "".join([*answers, "--batch--\r\n"]).encode()
        return 200, {"Content-Type": "multipart/mixed; boundary=batch"}, content

    def _store(
        self, bucket: str, name: str, content: bytes, query: dict[str, str] | None = None
    ) -> dict[str, object]:
        self._check_generation(bucket, name, self._query if query is None else query)
        generation = next(self.server.generations)
        self.server.served.objects[bucket, name] = (content, generation)
        return _described(bucket, name, content, generation)


def _parts(body: bytes, content_type: str) -> list[bytes]:
    """Returns the contents of the parts of a multipart message."""
    boundary = re.search(r"boundary=['\"]?([^'\";]+)", content_type)[1].encode()
    line_end = b"\r\n" if body.startswith(b"--" + boundary + b"\r\n") else b"\n"
    return [
        part.partition(2 * line_end)[2].removesuffix(line_end) for part in body.split(b"--" + boundary)[1:-1]
    ]


def _described(bucket: str, name: str, content: bytes, generation: int) -> dict[str, object]:
    """Returns the metadata of an object."""
    when = datetime.datetime.fromtimestamp(1_700_000_000 + generation, datetime.UTC)
    return {
        "kind": "storage#object",
        "bucket": bucket,
        "name": name,
        "size": str(len(content)),
        "generation": str(generation),
        "metageneration": "1",
        "etag": str(generation),
        "updated": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "timeCreated": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),
        "storageClass": "STANDARD",
        "contentType": "application/octet-stream",
    }
