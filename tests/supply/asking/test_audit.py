"""The audit fails where it must, and says loudly what it does not know; against an advisory service of its own."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.supply.bill import PLACE
from tests.supply.locks import BUILD_LOCK, LOCK, read


class Service(http.server.BaseHTTPRequestHandler):
    """Knows one advisory, about every version of ``vulnerable``, and whom it was asked about."""

    vulnerable = ""
    asked: set[str]

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = question["package"]["name"]
        self.asked.add(name)
        answer = json.dumps({"vulns": [advisory(name)]} if name == self.vulnerable else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own signature
        """Says nothing."""


def advisory(name: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": "9999"}]
    ranges = [{"type": "ECOSYSTEM", "events": events}]
    affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges}]
    told = {"id": "PYSEC-0000-1", "summary": "a test", "details": "a test", "affected": affected}
    return {**told, "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z"}


@contextmanager
def service(vulnerable: str = "") -> Generator[tuple[str, set[str]]]:
    asked: set[str] = set()
    handler = type("Handler", (Service,), {"vulnerable": vulnerable, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
        server.shutdown()


def audit(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.supply.audit", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_everything_that_is_locked_is_asked_about_and_nothing_known_is_well() -> None:
    with service() as (url, asked):
        ended = audit("--service", url)
    locked = {each.name for lock in (LOCK, BUILD_LOCK) for each in read(lock)}
    assert (ended.returncode, ended.stdout) == (
        0,
        f"{len(locked)} distributions audited, 0 known to be vulnerable.\n",
    ), ended
    assert asked - {"pip"} == locked


def test_one_that_is_vulnerable_fails_the_build_and_is_named() -> None:
    with service("httptools") as (url, _):
        ended = audit("--service", url)
    assert ended.returncode == 1
    assert "httptools" in ended.stdout
    assert "PYSEC-0000-1, mended in 9999" in ended.stdout


def test_a_service_that_is_not_there_is_told_loudly_and_fails_where_it_is_required(unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}/v1/query"
    for options, code in (((), 0), (("--required",), 1)):
        ended = audit("--service", url, *options)
        assert ended.returncode == code
        assert f"NOT AUDITED: {url} cannot be asked" in ended.stdout


def test_the_bill_of_materials_is_valid_cyclonedx() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(PLACE.read_text()) is None
