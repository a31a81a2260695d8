"""Where an issuer publishes its keys: a small HTTPS server on loopback that can be down, and that tells who asked."""

import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

# Where the keys would be found by whoever followed a redirect.
MOVED = "/moved"


class JwksServer(ThreadingHTTPServer):
    """``document``: what is published; ``status``: how it answers. ``asked``: the requests, in order."""

    daemon_threads = True

    def __init__(self, folder: Path, document: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.document = document
        self.status = 200
        self.asked: list[dict[str, str]] = []
        authority = trustme.CA()
        self.ca = folder / "issuer-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}/keys?set=1"

    def handle_error(self, request: object, client_address: object) -> None:
        """A gateway that ends in the middle is none."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, JwksServer)
        server.asked.append({name.lower(): value for name, value in self.headers.items()})
        published = {"/keys?set=1": server.status, MOVED: 200}
        self.send_response(published.get(self.path, 404))
        self.send_header("Location", MOVED)
        self.send_header("Content-Length", str(len(server.document)))
        self.end_headers()
        self.wfile.write(server.document)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has above
        """Nothing on a test's standard error."""


@contextmanager
def publishing(folder: Path, document: bytes) -> Generator[JwksServer]:
    """A server that runs."""
    server = JwksServer(folder, document)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
