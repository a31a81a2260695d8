"""What the README and the pages show beyond configurations: outputs, figures, requests, the diagram, word for word."""

import re
import shlex
from pathlib import Path

from gateway.config.load import check, load
from gateway.policies.downstream import Downstream
from loadtests.commits import CALLERS, STORES
from loadtests.workers import KINDS
from tests.docs.pages import block, commands
from tests.process import anywhere, run, serving
from tests.protocol.diagram import mermaid
from tests.stage import call
from tests.upstream import Play, Upstream


def plain(text: str) -> str:
    """Output less what differs from run to run: ports, colours, trailing blanks."""
    return "\n".join(re.sub(r":\d{4,5}", ":PORT", line).rstrip() for line in text.strip().splitlines())


def test_the_state_diagram_is_drawn_from_the_table_that_the_law_is_tested_against() -> None:
    assert block("diagram", "record").strip() == mermaid()


def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    assert plain(run("demo", folder=tmp_path).stdout) == plain(block("output", "demo"))


def test_the_limits_that_are_shown_are_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(block("config", "limits.yaml"))
    assert load(file, {}, {}).downstream == Downstream()


def test_the_listener_with_tls_is_good_where_its_files_are(tmp_path: Path) -> None:
    shown = block("tls", "listen.yaml")
    for name in re.findall(r"file:///etc/ssl/([\w.]+)", shown):
        (tmp_path / name).touch()
    file = tmp_path / "tls.yaml"
    file.write_text(
        shown.replace("file:///etc/ssl", f"file://{tmp_path}") + "routes: [{name: a, upstream: {url: 'https://u'}}]"
    )
    assert check(file, {}) == ()


def test_the_curl_line_is_a_guarded_call(upstream: Upstream, tmp_path: Path) -> None:
    (line,) = commands("curl", "first-call")
    words = shlex.split(line)
    headers = [tuple(words[at + 1].split(": ", 1)) for at, word in enumerate(words) if word == "-H"]
    body = words[words.index("-d") + 1].encode()
    with serving(*anywhere(upstream.port), folder=tmp_path) as served:
        for told in ("201 executed", "201 replayed"):
            assert (
                call(served.port, "POST", "/v1/charges", [(name, value) for name, value in headers], body).told == told
            )


def test_the_operators_commands_lead_to_the_answer_that_a_retry_gets(upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text('{"id": 1}')
    key = [("Idempotency-Key", "order-4711")]
    with serving(*anywhere(upstream.port), "--store", "memory:", folder=tmp_path) as served:
        upstream.then(Play(then="reset"))
        assert call(served.port, "POST", "/", key, b"{}").told == "502 unknown outcome-unknown"
        environ = {"IDEMPOTENCY_GATEWAY_ADMIN__LISTEN": f"127.0.0.1:{served.admin_port}"}
        for line in commands("operator", "keys"):
            ended = run(*shlex.split(line)[1:], folder=tmp_path, environ=environ)
            assert (ended.returncode, ended.stderr) == (0, ""), line
        heard = call(served.port, "POST", "/", key, b"{}")
        assert (heard.told, heard.body) == ("201 replayed", b'{"id": 1}')


def test_the_figures_of_workers_have_the_rows_that_the_instrument_prints() -> None:
    lines = [line[:24].strip() for line in block("figures", "workers").splitlines()[1:]]
    assert lines == [f"{kind}, {crew}" for kind in KINDS for crew in ("1 worker", "2 workers")]


def test_the_figures_of_group_commit_have_the_rows_that_the_instrument_prints() -> None:
    rows = [line[:36].strip() for line in block("figures", "commits").splitlines()[1:]]
    assert rows == [f"{callers} callers, {name}" for callers in CALLERS for name in STORES]
