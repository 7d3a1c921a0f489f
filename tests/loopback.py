"""A server on the loopback interface, for tests of downloads."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
from typing import Any

from anomark.data.fetch import RemoteFile


class Server:
    """Serves bytes by path, with ranges and entity tags, and fails as it is told to."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.deaths = 0  # connections to drop in the middle of a body
        self.ranges = True
        self.requests: list[str | None] = []  # the Range header of each
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.requests.append(wanted)
                body = server.files.get(self.path.lstrip("/"))
                if body is None:
                    return self.send_error(404)
                tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
                start = 0
                if wanted and server.ranges and self.headers.get("If-Range", tag) == tag:
                    start = int(re.findall(r"\d+", wanted)[0])
                if start and start >= len(body):
                    return self.send_error(416)
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(body) - start))
                self.send_header("ETag", tag)
                self.end_headers()
                if server.deaths:
                    server.deaths -= 1
                    self.wfile.write(body[start : start + max(1, (len(body) - start) // 10)])
                    self.wfile.flush()
                    return self.connection.close()
                self.wfile.write(body[start:])

            def log_message(self, *_: Any) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{name}"

    def file(self, name: str, content: bytes, **change: Any) -> RemoteFile:
        """Serve `content`, and describe it as a manifest does, its checksum known."""
        self.files[name] = content
        described = {"url": self.url(name), "path": name, "sha256": hashlib.sha256(content).hexdigest(), "size": 1}
        return RemoteFile(**described | change)
