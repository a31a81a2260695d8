"""A TCP balancer as small as it can be: each connection goes to a gateway that says it is ready, in turn.

Knows readiness, asked for again and again, as load balancers do. Refuses to know HTTP, and to try anything twice.
"""

import socket
import threading
from contextlib import suppress
from typing import Self

from gateway.errors import GatewayError
from tests.process import Served
from tests.stage import call

# In seconds, between two questions to one gateway.
EVERY = 0.05


class Balancer:
    """Listens on ``port``; ``gateways`` may be added and taken out at any time."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._ready: list[Served] = []
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._turn = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._listening.close()

    def add(self, gateway: Served) -> None:
        """Returns when the gateway has its first turn; it loses it when it is not ready any more."""
        threading.Thread(target=self._follow, args=(gateway,), daemon=True).start()
        self._until(gateway, ready=True)

    def wait_until_left(self, gateway: Served) -> None:
        """Returns when no new connection goes to the gateway."""
        self._until(gateway, ready=False)

    def _until(self, gateway: Served, *, ready: bool) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: (gateway in self._ready) is ready, 30)

    def _follow(self, gateway: Served) -> None:
        while not self._ended.wait(EVERY):
            ready = _is_ready(gateway)
            with self._changed:
                if ready and gateway not in self._ready:
                    self._ready.append(gateway)
                elif not ready and gateway in self._ready:
                    self._ready.remove(gateway)
                self._changed.notify_all()
            if not ready and gateway.process.poll() is not None:
                return

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                with self._changed:
                    self._turn += 1
                    port = self._ready[self._turn % len(self._ready)].port
                threading.Thread(target=_carry, args=(caller, port), daemon=True).start()


def _is_ready(gateway: Served) -> bool:
    try:
        return call(gateway.admin_port, "GET", "/readyz", [], None, 5).status == 200
    except (OSError, GatewayError):
        return False


def _carry(caller: socket.socket, port: int) -> None:
    with caller, socket.create_connection(("127.0.0.1", port)) as gateway:
        back = threading.Thread(target=_copy, args=(gateway, caller), daemon=True)
        back.start()
        _copy(caller, gateway)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
