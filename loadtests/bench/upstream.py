"""The API behind everything that is measured: an nginx that answers at once, and writes down each call's key.

It is several times faster than whatever is in front of it. Each call's line is written at its end into a buffer, so the
count is exact and costs next to nothing; who was called twice is seen by the key that stands there twice.
"""

import http.client
import json
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.bench import nginx
from loadtests.bench.ledger import Called, Ledger

PATH = "/charges"
TIMEOUT = 30.0

_SMALL = """
    location / {{ return 201 '{answer}'; }}
"""

# A body that does not come in one piece with its head is read whole before it is answered, as an API would.
_LARGE = """
    location / {{
      content_by_lua_block {{
        ngx.req.read_body()
        ngx.status = 201
        ngx.header["Content-Length"] = #answer
        ngx.print(answer)
      }}
    }}
"""

_SERVER = """
  log_format keys $http_idempotency_key;
  {before}
  server {{
    listen 127.0.0.1:{{port}} backlog=4096;
    default_type application/json;
    access_log {{folder}}/keys keys buffer=1m flush=1s;
    location = /status {{ access_log off; stub_status; }}
    {location}
  }}
"""


@dataclass
class Upstream:
    """A running one."""

    server: nginx.Nginx
    ledger: Ledger = field(default_factory=Ledger)
    _offset: int = 0
    _lines: int = 0
    _looks: int = 0

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return self.server.port

    def calls(self) -> int:
        """How many calls have come since it was started."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        connection.request("GET", "/status")
        found = re.search(rb"\n (\d+) (\d+) (\d+)", connection.getresponse().read())
        connection.close()
        assert found is not None
        self._looks += 1
        return int(found[3]) - self._looks

    def since(self) -> Called:
        """What came since the last look, once all of it is written down."""
        self.server.reopen_logs()
        expected, until = self.calls(), time.monotonic() + TIMEOUT
        lines: list[bytes] = []
        while self._lines + len(lines) < expected:
            if time.monotonic() > until:
                raise AssertionError(f"the upstream counted {expected} calls and wrote {self._lines + len(lines)}")
            time.sleep(0.02)
            with (self.server.folder / "keys").open("rb") as log:
                log.seek(self._offset)
                lines = log.read().splitlines()
        self._offset += sum(len(line) + 1 for line in lines)
        self._lines += len(lines)
        return self.ledger.entered(lines)


@dataclass
class Application:
    """An API that is measured itself, and counts for itself."""

    port: int
    _calls: int = 0
    _distinct: int = 0
    _without: int = 0

    def since(self) -> Called:
        """What it counted since the last look."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        connection.request("GET", "/counted")
        found = json.loads(connection.getresponse().read())
        connection.close()
        calls, distinct = found["calls"] - self._calls, found["distinct"] - self._distinct
        without = found["without"] - self._without
        self._calls, self._distinct, self._without = found["calls"], found["distinct"], found["without"]
        return Called(calls + without, without, {"": distinct}, {"": calls - distinct})


@contextmanager
def serving(folder: Path, answer: bytes) -> Generator[Upstream]:
    """An upstream that answers 201 with this body, a JSON text."""
    small = len(answer) < 1024
    file = folder / "answer.json"
    file.write_bytes(answer)
    reading = f"init_by_lua_block {{{{ answer = io.open('{file}', 'rb'):read('*a') }}}}"
    http_block = _SERVER.format(
        before="" if small else reading.replace("{{", "{").replace("}}", "}"),
        location=(_SMALL if small else _LARGE).format(answer=answer.decode()),
    )
    with nginx.running(folder / "upstream", http_block, lua=not small) as server:
        yield Upstream(server)
