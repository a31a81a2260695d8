"""The commands as a user meets them: what they print, how they end, one clear sentence where something is wrong."""

import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.process import COMMAND, anywhere, run, serving
from tests.raw import connect
from tests.stage import call
from tests.upstream import Play, Upstream, answer

KEY = ("Idempotency-Key", "k")
GOOD = "routes: [{name: api, upstream: {url: 'http://127.0.0.1:9'}}]\n"


def test_serve_needs_no_more_than_an_upstream_and_says_where_it_keeps_what(upstream: Upstream, tmp_path: Path) -> None:
    with serving(*anywhere(upstream.port), folder=tmp_path) as served:
        assert served.started["store"] == f"sqlite {tmp_path / 'idempotency-gateway.db'}"
        assert served.started["records"] == 0
        assert call(served.port, "POST", "/charges", [KEY], b"{}").told == "201 executed"
        assert served.stop() == 0
    with serving(*anywhere(upstream.port), folder=tmp_path) as served:
        assert served.started["records"] == 1
        assert call(served.port, "POST", "/charges", [KEY], b"{}").told == "201 replayed"
    assert upstream.count("k") == 1


def test_a_terminal_gets_lines_for_people(upstream: Upstream, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "serve", *anywhere(upstream.port), "--log-format", "console"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(5)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert lines[0].startswith("Idempotency Gateway 0.")
    assert "listening  http://127.0.0.1:" in lines[1]
    assert "(a page; /docs /healthz /readyz /metrics)" in lines[2]
    assert lines[3].strip().endswith(f"sqlite {tmp_path / 'idempotency-gateway.db'} (0 records)")
    assert lines[4].strip() == f"route      default → http://127.0.0.1:{upstream.port}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_in_flight_finish(upstream: Upstream, tmp_path: Path, number: signal.Signals) -> None:
    gate = threading.Event()
    upstream.then(Play(answer(201, b"finished"), gate=gate))
    heard: list[str] = []
    with serving(*anywhere(upstream.port), folder=tmp_path) as served:
        caller = threading.Thread(target=lambda: heard.append(call(served.port, "POST", "/charges", [KEY], b"{}").told))
        caller.start()
        upstream.wait_for(1)
        served.process.send_signal(number)
        assert served.process.stderr is not None
        assert json.loads(served.process.stderr.readline())["event"] == "stopping"
        gate.set()
        caller.join(20)
        assert served.process.wait(20) == 0
    assert heard == ["201 executed"]


def test_a_second_signal_ends_the_grace_and_settles_what_is_held_as_unknown(upstream: Upstream, tmp_path: Path) -> None:
    upstream.then(Play(then="hang"))
    heard: list[str] = []
    with serving(*anywhere(upstream.port), folder=tmp_path) as served:
        caller = threading.Thread(target=lambda: heard.append(call(served.port, "POST", "/charges", [KEY], b"{}").told))
        caller.start()
        upstream.wait_for(1)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.stderr is not None
        assert json.loads(served.process.stderr.readline())["event"] == "stopping"
        served.process.send_signal(signal.SIGTERM)
        caller.join(20)
        assert served.process.wait(20) == 0
    assert heard == ["502 unknown outcome-unknown"]
    with serving(*anywhere(upstream.port), folder=tmp_path) as served:
        assert call(served.port, "POST", "/charges", [KEY], b"{}").told == "409 unknown outcome-unknown"
    assert upstream.count("k") == 1


def test_a_body_that_the_disk_does_not_take_is_refused_before_anything_is_sent(
    upstream: Upstream, tmp_path: Path
) -> None:
    with serving(*anywhere(upstream.port), "--store", "memory:", folder=tmp_path) as served:
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        heard = call(served.port, "POST", "/charges", [KEY], b"x" * (1024 * 1024 + 1))
        assert heard.told == "503 unavailable body-not-spooled"
        assert heard.get("idempotency-origin") == "gateway"
        assert heard.get("retry-after") == "1"
        assert upstream.log == []
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert call(served.port, "POST", "/charges", [KEY], b"x" * (1024 * 1024 + 1)).told == "201 executed"
        assert served.stop() == 0
        told = [line for line in served.logged() if line["level"] == "error"]
    assert [(line["event"], line["operation"]) for line in told] == [("store-fault", "spool")]
    assert "File too large" in str(told[0]["detail"])


def test_a_second_signal_ends_unguarded_calls_too(upstream: Upstream, tmp_path: Path) -> None:
    upstream.then(Play(then="hang"))
    with serving(*anywhere(upstream.port), folder=tmp_path) as served, connect(served.port) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        upstream.wait_for(1)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.stderr is not None
        assert json.loads(served.process.stderr.readline())["event"] == "stopping"
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(10) == 0
        assert [line["event"] for line in served.logged()] == ["stopped"]


def test_a_half_received_request_is_dropped_at_the_first_signal(upstream: Upstream, tmp_path: Path) -> None:
    with serving(*anywhere(upstream.port), folder=tmp_path) as served, connect(served.port) as caller:
        caller.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        )
        assert caller.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.sendall(b"half")
        assert served.stop() == 0
        assert [line["event"] for line in served.logged()] == ["stopping", "stopped"]
    assert upstream.log == []


def test_a_caller_that_does_not_read_does_not_outlast_the_grace(upstream: Upstream, tmp_path: Path) -> None:
    upstream.then(Play(answer(200, b"x" * 50_000_000)))
    (tmp_path / "short.yaml").write_text(
        "shutdown_grace: 1s\nlisten: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0'}\nroutes: [{name: a, upstream: "
        f"{{url: 'http://127.0.0.1:{upstream.port}', timeout: {{connect: 1s, response: 1s, total: 1s}}}}}}]\n"
    )
    with serving("--config", "short.yaml", folder=tmp_path) as served, connect(served.port) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert caller.recv(10) == b"HTTP/1.1 2"
        begun = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - begun < 4
        assert [line["event"] for line in served.logged()] == ["stopping", "stopped"]


def refused(*arguments: str, folder: Path, environ: dict[str, str] | None = None, code: int = 2) -> str:
    ended = run(*arguments, folder=folder, environ=environ)
    assert ended.returncode == code, ended
    assert "Traceback" not in ended.stderr + ended.stdout
    return (ended.stderr or ended.stdout).strip()


@pytest.mark.parametrize(
    ("store", "sentence"),
    [
        ("redis://:hunter2@127.0.0.1:1/0", "store redis 127.0.0.1:1 db 0: the Redis does not answer"),
        ("postgresql://me:hunter2@127.0.0.1:1/x", "store postgresql://me@127.0.0.1:1/x: the store cannot be reached"),
    ],
)
def test_a_store_that_is_not_there_is_named_without_its_password(tmp_path: Path, store: str, sentence: str) -> None:
    options = ("--upstream", "http://x", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    said = refused("serve", *options, "--store", store, folder=tmp_path, code=1)
    assert said.startswith(sentence)
    assert len(said.splitlines()) == 1
    assert "hunter2" not in said


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused("serve", "--upstream", "http://127.0.0.1:9", "--listen", address, folder=tmp_path)
    assert said == (
        f"listen: cannot listen on {address}: the address is in use. "
        "Stop the process that uses it, or choose another port."
    )
    assert list(tmp_path.iterdir()) == [], "no store is left behind"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serve"], "there is no route; give --upstream URL"),
        (["serve", "--upstream", "http://x", "--upstream", "http://y"], "--upstream: is given more than once"),
        (["serve", "--upstream", "ftp://x"], "must begin with http:// or https://"),
        (["serve", "--upstream", "http://u:p@x"], "must not hold a user or password"),
        (["serve", "--upstream", "http://x", "--listen", "8080"], "must be HOST:PORT"),
        (["serve", "--upstream", "http://x", "--store", "mysql://x"], "unknown scheme 'mysql'"),
        (["serve", "--upstream", "http://x", "--store", "redis://"], "host or port"),
        (["serve", "--upstream", "http://x", "--store", "redis://x", "--store", "sqlite:///x"], "names 2 stores"),
        (["migrate", "--store", "redis://x"], "redis has no schema"),
        (["serve", "--upstream", "http://x", "--store", "postgresql://x?nonsense=1"], "not known here: nonsense"),
        (["migrate", "--store", "postgresql://x?password=secret"], "has a password among its parameters"),
        (["serve", "--upstream", "http://x", "--store", "sqlite:file.db"], "written sqlite:///FILE"),
        (["serve", "--upstream", "http://x", "--workers", "0"], "must be a whole number from 1 to 256"),
        (["serve", "--config", "nowhere.yaml"], "nowhere.yaml:1:1: the file cannot be read"),
        (["serve", "--upstream", "http://x", "--store", "sqlite:///x.db?mode=ro"], "without '?' and parameters"),
        (["serve", "--upstream", "http://x", "--store", "sqlite:///:memory:"], "or --store memory:"),
        (["migrate", "--store", "memory:"], "has no schema"),
        (["migrate"], "which store? Give --store URL, --config FILE, or set IDEMPOTENCY_GATEWAY_STORE"),
        (["sweep", "--store", "sqlite:///typo.db"], "there is no store to sweep"),
        (["sweep"], "there is no store to sweep"),
    ],
)
def test_bad_use_is_one_sentence_and_exit_code_2(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    said = refused(*arguments, folder=tmp_path)
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["serve", "--nonsense"], ["nonsense"], ["check"]])
def test_an_unknown_option_or_command_is_bad_use(tmp_path: Path, arguments: list[str]) -> None:
    assert "Usage" in refused(*arguments, folder=tmp_path)


def test_a_store_that_cannot_be_kept_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, whatever its name says" * 30)
    for file in ("missing/x.db", "text.db"):
        said = refused("serve", *anywhere(9), "--store", f"sqlite:///{file}", folder=tmp_path)
        assert file.split("/")[0] in said
        assert len(said.splitlines()) == 1
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE things (a)")
    other.close()
    assert "another application" in refused("serve", *anywhere(9), "--store", "sqlite:///other.db", folder=tmp_path)


@pytest.mark.parametrize("command", [["serve", *anywhere(9)], ["migrate"], ["migrate", "--check"], ["sweep"]])
def test_a_store_cut_short_is_one_sentence_that_names_it(tmp_path: Path, command: list[str]) -> None:
    store = tmp_path / "cut.db"
    run("migrate", "--store", f"sqlite:///{store}", folder=tmp_path)
    store.write_bytes(store.read_bytes()[:8192])
    said = refused(*command, "--store", f"sqlite:///{store}", folder=tmp_path)
    assert f"{store} is damaged or cut short" in said
    assert len(said.splitlines()) == 1


def test_settings_that_form_key_identity_are_remembered_and_a_change_has_to_be_accepted(tmp_path: Path) -> None:
    with serving(*anywhere(9), folder=tmp_path) as served:
        assert served.stop() == 0
    (tmp_path / "changed.yaml").write_text(
        "listen: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0'}\n"
        "routes: [{name: a, upstream: {url: 'http://127.0.0.1:9'}, policy: {key: {header: X-Key}}}]\n"
    )
    said = refused("serve", "--config", "changed.yaml", folder=tmp_path)
    assert "namespace http://127.0.0.1:9" in said
    assert "--accept-identity-change" in said
    with serving("--config", "changed.yaml", "--accept-identity-change", folder=tmp_path) as served:
        assert served.stop() == 0
    with serving("--config", "changed.yaml", folder=tmp_path) as served:
        assert served.stop() == 0


def test_another_digest_key_is_refused(tmp_path: Path) -> None:
    with serving(*anywhere(9), folder=tmp_path) as served:
        assert served.stop() == 0
    said = refused(
        "serve",
        *anywhere(9),
        folder=tmp_path,
        environ={"IDEMPOTENCY_GATEWAY_DIGEST__KEY": "canary-secret-of-32-bytes-or-so"},
    )
    assert "digest.key is not the one that this store made" in said
    assert "canary-secret" not in said


@pytest.mark.parametrize("command", [["serve", *anywhere(9), "--store", "memory:"], ["demo"], ["schema"]])
def test_an_interrupt_while_the_command_begins_ends_it_quietly(tmp_path: Path, command: list[str]) -> None:
    # Told by the interpreter itself, so that the signal comes in the middle of an import and at no other moment.
    script = (
        "import os, runpy, signal, sys\n"
        "def heard(event, told):\n"
        "    event == 'import' and told[0] == 'pydantic' and os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(heard)\n"
        "runpy.run_module('gateway', run_name='__main__', alter_sys=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_check_prints_each_complaint_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("listen: 8080\nroutes:\n  - name: a\n    upstream: {url: x}\n    polcy: {}\n")
    said = refused("check", "--config", "bad.yaml", folder=tmp_path)
    assert [line.split(": ", 1)[0] for line in said.splitlines()] == ["bad.yaml:1:1", "bad.yaml:4:16", "bad.yaml:5:5"]
    (tmp_path / "good.yaml").write_text(GOOD)
    good = run("check", "--config", "good.yaml", folder=tmp_path)
    assert (good.returncode, good.stdout) == (0, "good.yaml: good\n")


def test_check_opens_the_files_that_serve_would_open(tmp_path: Path) -> None:
    for name in ("ca", "mine", "key"):
        (tmp_path / name).write_text("no certificate")
    ca, mine, key = (f"file://{tmp_path / name}" for name in ("ca", "mine", "key"))
    (tmp_path / "tls.yaml").write_text(
        f"listen: {{address: '127.0.0.1:0', tls: {{certificate: '{mine}', key: '{key}'}}}}\nroutes:\n"
        f"  - name: a\n    upstream: {{url: 'https://127.0.0.1:9', tls: {{ca: '{ca}'}}}}\n"
    )
    said = refused("check", "--config", "tls.yaml", folder=tmp_path).splitlines()
    assert [line.split(": The ")[0] for line in said] == [
        "tls.yaml:1:34: listen.tls",
        "tls.yaml:4:44: routes.0.upstream.tls",
    ]
    assert f"authorities in {tmp_path / 'ca'} cannot be used" in said[1]
    assert "certificate" in refused("serve", "--config", "tls.yaml", folder=tmp_path)


def test_the_version_is_the_distributions(tmp_path: Path) -> None:
    assert run("--version", folder=tmp_path).stdout == f"idempotency-gateway {version('idempotency-gateway')}\n"


@pytest.mark.parametrize("command", [["schema"], ["--version"], ["health"]])
def test_standard_output_that_takes_nothing_is_one_sentence(
    upstream: Upstream, tmp_path: Path, command: list[str]
) -> None:
    with serving(*anywhere(upstream.port), folder=tmp_path) as served, Path("/dev/full").open("w") as full:
        environ = {**os.environ, "IDEMPOTENCY_GATEWAY_ADMIN__LISTEN": f"127.0.0.1:{served.admin_port}"}
        ended = subprocess.run(
            [*COMMAND, *command], cwd=tmp_path, env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, "standard output cannot be written: No space left on device.\n")


def test_schema_is_a_json_schema(tmp_path: Path) -> None:
    ended = run("schema", folder=tmp_path)
    assert json.loads(ended.stdout)["properties"]["routes"]


def test_migrate_makes_and_checks_a_schema_and_may_be_repeated(tmp_path: Path) -> None:
    store = ("--store", "sqlite:///x.db")
    assert "absent" in refused("migrate", *store, "--check", folder=tmp_path, code=1)
    for _ in range(2):
        assert run("migrate", *store, folder=tmp_path).returncode == 0
    assert run("migrate", *store, "--check", folder=tmp_path).returncode == 0
    assert (tmp_path / "x.db").stat().st_mode & 0o777 == 0o600


def test_migrate_finds_the_store_where_serve_does(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text(f"store: {{sqlite: ./file.db}}\n{GOOD}")
    assert run("migrate", "--config", "file.yaml", folder=tmp_path).returncode == 0
    environ = {"IDEMPOTENCY_GATEWAY_STORE__SQLITE": "./environment.db"}
    assert run("migrate", folder=tmp_path, environ=environ).returncode == 0
    assert run("migrate", "--store", "sqlite:///option.db", folder=tmp_path, environ=environ).returncode == 0
    assert sorted(each.name for each in tmp_path.glob("*.db")) == ["environment.db", "file.db", "option.db"]


def test_sweep_prints_what_it_removed(upstream: Upstream, tmp_path: Path) -> None:
    with serving(*anywhere(upstream.port), folder=tmp_path) as served:
        call(served.port, "POST", "/charges", [KEY], b"{}")
        served.stop()
    ended = run("sweep", "--store", "sqlite:///idempotency-gateway.db", folder=tmp_path)
    assert ended.stdout.splitlines() == [
        "leases found over: 0",
        "unknowns that became tombstones: 0",
        "answers that became tombstones: 0",
        "records forgotten: 0",
    ]


def test_the_demo_keeps_every_promise(tmp_path: Path) -> None:
    ended = run("demo", folder=tmp_path)
    assert ended.returncode == 0, ended
    assert "Every promise held." in ended.stdout
    assert "2 times" in ended.stdout
    assert ended.stderr == ""
