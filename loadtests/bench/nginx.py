"""nginx out of a configuration made here: the upstream, the plain proxy, and the one with Lua.

Knows nginx's words. Refuses to know what is measured. One worker, as every other thing that is measured has one.
"""

import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.redis_servers import eventually, unused_port

PROGRAM = "/usr/sbin/nginx"
MODULES = Path("/usr/lib/nginx/modules")
LUA = ("ndk_http_module.so", "ngx_http_lua_module.so")
PEERS = Path(__file__).parent / "peers"

_MAIN = """
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/pid;
error_log {folder}/error.log error;
{modules}
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000; keepalive_timeout 1h;
  client_max_body_size 64m; client_body_buffer_size 4m;
  tcp_nodelay on; tcp_nopush off;
{http}
}}
"""

# How a busy site sets up its proxying: kept connections, no copy of the answer on disk.
_PROXYING = """
  upstream api {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; keepalive_timeout 1h; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 0;
  proxy_buffer_size 16k; proxy_buffers 8 256k; proxy_busy_buffers_size 512k;
"""


def missing(*, lua: bool = False) -> str | None:
    """What has to be installed first, as a sentence; nothing where all is there."""
    if not Path(PROGRAM).exists():
        return "nginx is not installed: apt-get install nginx"
    if lua and not all((MODULES / name).exists() for name in LUA):
        return "nginx has no Lua: apt-get install libnginx-mod-http-lua"
    if lua and not Path("/usr/share/lua/5.1/nginx/redis.lua").exists():
        return "nginx's Lua has no Redis client: apt-get install lua-nginx-redis"
    return None


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running one."""

    process: int
    port: int
    folder: Path

    def reopen_logs(self) -> None:
        """What its workers hold back of their logs is written."""
        os.kill(self.process, signal.SIGUSR1)


@contextmanager
def running(folder: Path, http: str, *, lua: bool = False) -> Generator[Nginx]:
    """An nginx with ``http``, in which ``{port}`` stands for its port, in ``folder``."""
    folder.mkdir()
    port = unused_port()
    text = _MAIN.format(
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        modules="".join(f"load_module {MODULES / name};\n" for name in LUA) if lua else "",
        http=http.replace("{port}", str(port)).replace("{folder}", str(folder)),
    )
    file = folder / "nginx.conf"
    file.write_text(text)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen([PROGRAM, "-p", str(folder), "-c", str(file)], stdout=output, stderr=output)
    try:
        eventually(lambda: _serves(process, folder))
        yield Nginx(process.pid, port, folder)
    finally:
        process.terminate()
        process.wait(20)


def _serves(process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"nginx did not start: {(folder / 'output').read_text()}")
    # Written when the listeners are open and the workers about to begin.
    return (folder / "pid").exists() and bool((folder / "pid").read_text())


def passing(upstream: int) -> str:
    """``proxy_pass`` and nothing else."""
    return (
        _PROXYING.format(upstream=upstream)
        + "  server { listen 127.0.0.1:{port} backlog=4096; location / { proxy_pass http://api; } }\n"
    )


def guarding(upstream: int, redis: int) -> str:
    """``peers/idempotency.lua`` in front of the same."""
    return (
        _PROXYING.format(upstream=upstream)
        + f"""
  lua_package_path "{PEERS}/?.lua;/usr/share/lua/5.1/?.lua;;";
  lua_socket_log_errors off;
  server {{
    listen 127.0.0.1:{{port}} backlog=4096;
    set $redis_port {redis};
    location / {{ content_by_lua_block {{ require("idempotency").serve() }} }}
    location /upstream/ {{ internal; rewrite ^/upstream(/.*)$ $1 break; proxy_pass http://api; }}
  }}
"""
    )
