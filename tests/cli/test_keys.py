"""``keys`` against a real gateway: what people read, what programs read, what is asked before it is decided."""

import contextlib
import json
import os
import pty
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.cli.showing import show_list, show_record
from tests.admin.conftest import READ, SETTLE, TOKENS
from tests.config.reading import said
from tests.process import COMMAND, TIMEOUT, Served, run, serving
from tests.stage import Heard, call
from tests.upstream import Play, Upstream, answer, running_upstream


@dataclass
class Place:
    """A gateway process with tokens, its upstream, and files with tokens in them."""

    served: Served
    upstream: Upstream
    folder: Path

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.served.admin_port}"

    def post(self, key: str, target: str = "/charges") -> Heard:
        return call(self.served.port, "POST", target, [("Idempotency-Key", key)], b"{}")

    def unknown(self, key: str) -> str:
        """A key whose outcome is unknown; its id."""
        self.upstream.then(Play(then="reset"))
        assert self.post(key).status == 502
        return self.id_of(key)

    def id_of(self, key: str) -> str:
        shown = [("Authorization", f"Bearer {READ}")]
        (record,) = call(self.served.admin_port, "GET", f"/api/keys?key={key}", shown, None).json["keys"]
        return str(record["id"])

    def options(self, file: str = "settle") -> list[str]:
        return ["--admin", self.admin, "--token-file", str(self.folder / file)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("keys")
    (folder / "read").write_text(f"{READ}\n")
    (folder / "settle").write_text(f"{SETTLE}\n")
    (folder / "wrong").write_text("a-token-of-somebody-else\n")
    with running_upstream() as upstream:
        target = f"url: 'http://127.0.0.1:{upstream.port}'"
        hasty = f"{{name: hasty, match: {{path: /hasty}}, upstream: {{{target}, timeout: {{response: 200ms}}}}}}"
        routes = f"routes: [{hasty}, {{name: payments, upstream: {{{target}}}}}]\n"
        (folder / "gateway.yaml").write_text(f"listen: 127.0.0.1:0\nstore: 'memory:'{TOKENS}{routes}")
        with serving("--config", "gateway.yaml", folder=folder) as served:
            yield Place(served, upstream, folder)


@dataclass
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Keys = Callable[..., Ended]


@pytest.fixture
def keys(capsys: pytest.CaptureFixture[str]) -> Keys:
    """The command, in this process: one of its own for each would be most of what these tests wait for."""

    def run(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(["keys", *arguments])
        told = capsys.readouterr()
        return Ended(int(str(ended.value.code)), told.out, told.err)

    return run


def test_a_list_is_a_line_a_record_that_nothing_is_cut_off_of(place: Place, keys: Keys) -> None:
    record = place.unknown("listed")
    ended = keys("list", "--state", "unknown", "--limit", "1", *place.options("read"))
    header, line = ended.out.splitlines()
    assert header.split() == ["ID", "STATE", "ROUTE", "FENCE", "SINCE", "REASON"]
    assert re.fullmatch(rf"{record[:12]}  unknown  payments +1  [0-9]+ (s|min) ago  reset", line)
    assert ended.code == 0


def test_a_list_goes_on_where_it_ended(place: Place, keys: Keys) -> None:
    for number in range(3):
        place.post(f"page-{number}")
    first = keys("list", "--limit", "2", *place.options())
    (cursor,) = re.findall(r"--cursor (\S+)", first.err)
    rest = keys("list", "--limit", "1", "--cursor", cursor, "--json", *place.options())
    assert [record["id"] for record in json.loads(rest.out)["keys"]] == [place.id_of("page-0")]


def test_a_list_of_nothing_says_so_and_not_to_whoever_reads_the_list(place: Place, keys: Keys) -> None:
    ended = keys("list", "--route", "nowhere", *place.options())
    assert (ended.code, ended.out, ended.err) == (0, "", "There are no such records.\n")


def test_a_record_is_shown_with_its_history(place: Place, keys: Keys) -> None:
    record = place.unknown("shown")
    ended = keys("show", "--key", "shown", *place.options("read"))
    lines = ended.out.splitlines()
    assert lines[0] == f"record   {record}"
    assert re.fullmatch(r"state    unknown since [0-9]{4}-\S+ \S+Z \([0-9]+ s ago\): reset", lines[1])
    assert lines[2:4] == ["route    payments", "fence    1"]
    assert lines[5].endswith("Z it waits for the truth; then the key answers 410")
    assert [line.split()[2:] for line in lines[7:]] == [
        ["FENCE", "BY", "NOTE"],
        ["granted", "1", "gateway"],
        ["unknown", "1", "gateway", "reset"],
    ]
    assert max(map(len, lines)) <= 80


def test_a_record_that_may_yet_be_answered_says_until_when(place: Place, keys: Keys) -> None:
    gate = threading.Event()
    place.upstream.then(Play(answer(201), gate=gate))
    assert place.post("slow", "/hasty").status == 504
    shown = keys("show", "--key", "slow", *place.options("read"))
    assert "listening  the call itself may yet be answered, until " in shown.out
    gate.set()
    while place.post("slow", "/hasty").status != 201:
        continue
    assert "listening" not in keys("show", "--key", "slow", *place.options("read")).out


def test_a_program_reads_what_the_api_says(place: Place, keys: Keys) -> None:
    record = place.unknown("program")
    shown = json.loads(keys("show", record, "--json", *place.options()).out)
    assert (shown["id"], shown["state"], len(shown["history"])) == (record, "unknown", 2)
    done = json.loads(keys("release", record, "--yes", "--json", *place.options()).out)
    assert done == {"id": record, "state": "released", "fence": 2, "replay_until": None}


def test_the_beginning_of_an_id_is_enough_where_one_record_alone_has_it(place: Place, keys: Keys) -> None:
    record = place.unknown("begun")
    assert keys("show", record[:12].upper(), *place.options()).out.startswith(f"record   {record}")
    ended = keys("show", "0" * 63, *place.options())
    assert (ended.code, ended.err) == (
        1,
        (
            f"No record begins with {'0' * 63}, among the 10000 newest and as many unknown ones; "
            "give the whole ID, or --key TEXT.\n"
        ),
    )


def test_released_the_next_call_is_sent(place: Place, keys: Keys) -> None:
    record = place.unknown("released")
    ended = keys("release", record[:12], "--yes", "--note", "not in their log", *place.options())
    assert (ended.code, ended.out) == (0, "Released, under fence 2: the next call with this key is sent.\n")
    assert "not in their log" in keys("show", record, *place.options()).out
    assert place.post("released").told == "201 executed"


def test_resolved_every_later_call_gets_the_file_byte_for_byte(place: Place, keys: Keys) -> None:
    place.unknown("resolved")
    (place.folder / "body").write_bytes(bytes(range(256)))
    given = ["--status", "203", "--header", "X-Twice: 1", "--header", "X-Twice:2"]
    ended = keys(
        "resolve", "--key", "resolved", *given, "--body-file", str(place.folder / "body"), "--yes", *place.options()
    )
    assert ended.code == 0
    assert re.fullmatch(r"Resolved, under fence 2: every call until \S+ \S+Z gets this answer.\n", ended.out)
    heard = place.post("resolved")
    assert (heard.told, heard.body, heard.all("x-twice")) == ("203 replayed", bytes(range(256)), ["1", "2"])


def test_forgotten_the_key_answers_410(place: Place, keys: Keys) -> None:
    place.post("forgotten")
    ended = keys("forget", "--key", "forgotten", "--yes", *place.options())
    assert (ended.code, ended.out) == (0, "Forgotten: no copy is left.\n")
    assert place.post("forgotten").told == "410 expired key-expired"


@pytest.mark.parametrize("verb", [["release"], ["resolve", "--status", "201"], ["forget"]])
def test_nothing_is_decided_where_nobody_can_be_asked(place: Place, keys: Keys, verb: list[str]) -> None:
    key = f"unasked-{verb[0]}"
    place.unknown(key)
    ended = keys(*verb, "--key", key, *place.options())
    assert (ended.code, ended.out, ended.err) == (
        2,
        "",
        "Nothing was done, because nobody can be asked here; give --yes if it is meant.\n",
    )
    assert place.post(key).told == "409 unknown outcome-unknown"


@pytest.mark.parametrize(("said", "code", "state"), [("y", 0, "released"), ("n", 1, "unknown")])
def test_at_a_terminal_the_record_is_shown_and_the_operator_asked(
    place: Place, said: str, code: int, state: str
) -> None:
    record = place.unknown(f"asked-{said}")
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "keys", "release", record[:12], *place.options()],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "dumb", "COLUMNS": "80"},
    ) as process:
        os.write(controller, f"{said}\n".encode())
        assert process.wait(TIMEOUT) == code
    os.close(terminal)
    told = _read(controller)
    assert f"record   {record}" in told
    assert "Releasing says: it was not executed. The next call with this key is sent." in told
    assert "Release it? [y/N]" in told
    assert ("Nothing was done." in told) == (code == 1)
    shown = [("Authorization", f"Bearer {READ}")]
    assert call(place.served.admin_port, "GET", f"/api/keys/{record}", shown, None).json["state"] == state


def _read(controller: int) -> str:
    """Everything that was written to a terminal whose other end is closed."""
    pieces = []
    with contextlib.suppress(OSError):
        while piece := os.read(controller, 65536):
            pieces.append(piece)
    os.close(controller)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def test_what_has_moved_on_is_told_and_fails(place: Place, keys: Keys) -> None:
    place.post("moved")
    ended = keys("release", "--key", "moved", "--yes", *place.options())
    assert (ended.code, ended.err) == (
        1,
        (
            "Nothing was done. Only an unknown record can be released, and this one is completed. "
            "Look at it again before you decide.\n"
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["show"], 2, "Give the record's ID, or --key TEXT."),
        (["show", "abcd", "--key", "x"], 2, "Give the record's ID, or --key TEXT."),
        (["show", "xyz"], 2, "The ID must be 4 to 64 hex digits, as keys list shows them; or give --key TEXT."),
        (["show", "--key", "none"], 1, "No record has this key, in any namespace of the gateway's configuration."),
        (
            ["show", "0" * 64],
            1,
            "There is no record with this id; its retention may be over. List records to see what there is.",
        ),
        (["resolve", "--status", "700", "--key", "wrong", "--yes"], 2, "body.status: must be 599 or less."),
        (
            ["resolve", "--status", "200", "--key", "wrong", "--header", "X", "--yes"],
            2,
            "option --header: must be 'NAME: VALUE', such as 'Content-Type: application/json'.",
        ),
        (
            ["resolve", "--status", "200", "--key", "wrong", "--body-file", "/nowhere", "--yes"],
            2,
            "option --body-file: /nowhere cannot be read: No such file or directory.",
        ),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    place: Place, keys: Keys, arguments: list[str], code: int, sentence: str
) -> None:
    place.post("wrong")
    ended = keys(*arguments, *place.options())
    assert (ended.code, ended.out, ended.err) == (code, "", f"{sentence}\n")


def test_a_token_that_may_only_read_decides_nothing(place: Place, keys: Keys) -> None:
    place.unknown("only-read")
    ended = keys("release", "--key", "only-read", "--yes", *place.options("read"))
    assert (ended.code, ended.err) == (
        2,
        "The token dashboard has the role read; deciding on records needs one with the role settle.\n",
    )


def test_without_the_right_token_nothing_is_told_but_what_is_wrong_with_it(place: Place, keys: Keys) -> None:
    for options, told in (
        (
            place.options("wrong"),
            "does not know the token that was given: it is none of admin.tokens, or the gateway was started without it",
        ),
        (
            place.options()[:2],
            "wants a token, and none was given: give --token-file FILE, or set IDEMPOTENCY_GATEWAY_TOKEN",
        ),
    ):
        ended = keys("list", *options)
        assert (ended.code, ended.out, ended.err) == (2, "", f"{place.admin} {told}.\n")


def test_a_token_that_cannot_be_one_is_told_without_its_text(place: Place, keys: Keys) -> None:
    (place.folder / "short").write_text("canary")
    ended = keys("list", *place.options("short"))
    assert ended.code == 2
    assert ended.err == ("option --token-file: is shorter than 16 characters; make one with: openssl rand -hex 32.\n")


def test_another_server_is_told_from_an_admin_listener(place: Place, keys: Keys, unused_port: int) -> None:
    data = f"http://127.0.0.1:{place.served.port}"
    ended = keys("list", "--admin", data)
    assert (ended.code, ended.err) == (
        1,
        f"{data} is a gateway's data listener; give --admin the URL of its admin listener.\n",
    )
    other = f"http://127.0.0.1:{place.upstream.port}"
    ended = keys("list", "--admin", other)
    assert (ended.code, ended.err) == (
        1,
        f"{other} answers 201, and not as an admin API does; give --admin its URL.\n",
    )
    nobody = f"http://127.0.0.1:{unused_port}"
    ended = keys("list", "--admin", nobody)
    assert ended.code == 1
    assert ended.err.startswith(f"{nobody} does not answer: Connection refused. ")
    assert keys("list", "--admin", "ftp://x").err == "option --admin: must begin with http:// or https://.\n"


def test_token_and_place_come_from_environment_and_configuration(place: Place) -> None:
    """In a process of its own: the variable of the token is no setting that a gateway would refuse."""
    (place.folder / "client.yaml").write_text(f"admin: {{listen: '0.0.0.0:{place.served.admin_port}'}}\n")
    environ = {"PATH": os.environ["PATH"], "IDEMPOTENCY_GATEWAY_TOKEN": SETTLE}
    for arguments, more in (
        (["--config", "client.yaml"], {}),
        ([], {"IDEMPOTENCY_GATEWAY_ADMIN__LISTEN": f"127.0.0.1:{place.served.admin_port}"}),
    ):
        ended = run("keys", "list", "--limit", "1", *arguments, folder=place.folder, environ={**environ, **more})
        assert (ended.returncode, ended.stdout[:2]) == (0, "ID")
    file = "routes: [{name: a, upstream: {url: 'http://u'}}]"
    assert said(place.folder, file, environ={"IDEMPOTENCY_GATEWAY_TOKEN": SETTLE}) == []


def test_a_records_caller_is_told_where_one_was_known(capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    record = {"id": "ab" * 32, "state": "completed", "route": "payments", "fence": 1, "reason": None, "history": []}
    record |= dict.fromkeys(("since", "until", "created_at"), now.isoformat())
    record |= dict.fromkeys(("answer", "answer_until", "reconciler"))
    show_list([record | {"caller": "shop"}, record | {"caller": None}], now)
    header, named, unnamed = capsys.readouterr().out.splitlines()
    assert header.split() == ["ID", "STATE", "ROUTE", "CALLER", "FENCE", "SINCE", "REASON"]
    assert (named.split()[3:5], unnamed.split()[3]) == (["shop", "1"], "1")
    show_record(record | {"caller": "shop"}, now)
    assert "caller   shop" in capsys.readouterr().out
    show_record(record | {"caller": None}, now)
    assert "caller" not in capsys.readouterr().out
