"""Secrets in files are exchanged while the gateway runs; one that cannot be used leaves the old one in force."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import trustme

from tests.raw import connect
from tests.redis_servers import eventually
from tests.stage import Heard, Stage, call, playing
from tests.upstream import running_upstream

OLD, NEW = "an-old-secret-canary", "a-new-secret-canary"

# Each setting that is a file, but for the pair of the listener's, which is one setting.
SETTINGS = ("admin.tokens.0.token", "listen.tls", "routes.0.upstream.headers.set.X-Api-Key", "routes.0.upstream.tls")


def replace(file: Path, content: bytes) -> None:
    """As a secret is exchanged: the old file or the new one, never half of it."""
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(content)
    new.rename(file)


@dataclass
class Site:
    """A gateway with every kind of secret in a file, behind TLS, before an upstream behind TLS."""

    folder: Path
    authorities: dict[str, trustme.CA]
    upstream_tls: ssl.SSLContext
    keys: Iterator[int] = field(default_factory=count)

    def listen_as(self, name: str) -> None:
        """The listener's key and certificate by that authority, one written after the other."""
        leaf = self.authorities[name].issue_cert("127.0.0.1")
        replace(self.folder / "key", leaf.private_key_pem.bytes())
        replace(self.folder / "certificate", leaf.cert_chain_pems[0].bytes())

    def answer_as(self, name: str) -> None:
        """The upstream's, too."""
        self.authorities[name].issue_cert("127.0.0.1").configure_cert(self.upstream_tls)

    def trust(self, name: str) -> None:
        replace(self.folder / "ca", self.authorities[name].cert_pem.bytes())

    def secret(self, name: str, content: str) -> None:
        replace(self.folder / name, content.encode())


@dataclass
class Served:
    """The gateway of a site, as callers and operators see it."""

    site: Site
    stage: Stage

    def post(self) -> tuple[int, str]:
        """A call, and the credential that the upstream saw last."""
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        key = [("Idempotency-Key", f"key-{next(self.site.keys)}")]
        status = call(self.stage.port, "POST", "/charges", key, b"{}", context=anybody).status
        log = self.stage.upstream.log
        return status, dict(log[-1].headers)["x-api-key"] if log else ""

    def believed(self, name: str, host: str | None = "127.0.0.1") -> bool:
        """Whether a caller would call who knows that authority alone; ``host``: ``None`` where none is asked for."""
        context = ssl.create_default_context()
        self.site.authorities[name].configure_trust(context)
        context.check_hostname = host is not None
        try:
            with context.wrap_socket(connect(self.stage.port), server_hostname=host):
                return True
        except ssl.SSLCertVerificationError:
            return False

    def admin(self, *headers: tuple[str, str]) -> int:
        return self.stage.admin("/api/keys", *headers).status

    def stale(self) -> float:
        return self.stage.metric("idempotency_gateway_secrets_stale")

    def counted(self, metric: str) -> list[float]:
        return [self.stage.metric(f'idempotency_gateway_{metric}_total{{setting="{each}"}}') for each in SETTINGS]


def bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


def session(stage: Stage, token: str) -> tuple[str, str]:
    """What the page exchanges a token for."""
    form = ("Content-Type", "application/x-www-form-urlencoded")
    heard: Heard = stage.admin("/session", form, method="POST", body=f"token={token}".encode())
    return ("Cookie", (heard.get("set-cookie") or "").partition(";")[0])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    authorities = {name: trustme.CA() for name in ("old", "new")}
    site = Site(tmp_path, authorities, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    site.listen_as("old")
    site.answer_as("old")
    site.trust("old")
    site.secret("credential", f"{OLD}\n")
    site.secret("token", OLD)
    with running_upstream(context=site.upstream_tls) as upstream:
        text = f"""
            listen:
              address: 127.0.0.1:0
              tls: {{certificate: 'file://{tmp_path}/certificate', key: 'file://{tmp_path}/key'}}
            admin:
              listen: 127.0.0.1:0
              tokens:
                - {{name: on-call, role: settle, token: 'file://{tmp_path}/token'}}
                - {{name: dashboard, role: read, token: the-token-of-the-dashboard}}
            upstream:
              url: https://127.0.0.1:{upstream.port}
              keep_alive: 0s
              tls: {{ca: 'file://{tmp_path}/ca'}}
              headers: {{set: {{X-Fixed: stays, X-Api-Key: 'file://{tmp_path}/credential'}}}}
        """
        with playing(upstream, "memory:", tmp_path, text) as stage:
            yield Served(site, stage)


def test_whatever_is_in_a_file_is_exchanged_without_a_restart(served: Served) -> None:
    site = served.site
    signed_in = session(served.stage, OLD)
    assert served.post() == (201, OLD)
    assert (served.admin(bearer(OLD)), served.admin(bearer(NEW)), served.admin(signed_in)) == (200, 401, 200)
    assert (served.believed("old"), served.believed("new")) == (True, False)
    site.secret("credential", f"{NEW}\n")
    site.secret("token", NEW)
    site.listen_as("new")
    site.answer_as("new")
    assert served.post()[0] == 503, "nobody said yet that this one may be believed"
    site.trust("new")
    eventually(lambda: served.counted("secrets_read") == [1, 1, 1, 1])
    assert served.post() == (201, NEW)
    assert dict(served.stage.upstream.log[-1].headers)["x-fixed"] == "stays"
    assert (served.admin(bearer(OLD)), served.admin(bearer(NEW))) == (401, 200)
    assert served.admin(signed_in) == 401, "the session ended with the token that it was exchanged for"
    assert served.admin(bearer("the-token-of-the-dashboard")) == 200
    assert [served.believed(name, host) for name in ("old", "new") for host in ("127.0.0.1", None)] == [
        False,
        False,
        True,
        True,
    ]
    assert (served.stale(), served.counted("secrets_unreadable")) == (0, [0, 0, 0, 0])


def test_what_cannot_be_used_leaves_the_old_one_in_force_and_is_told_once(served: Served) -> None:
    site = served.site
    site.secret("credential", f"{NEW}\n{NEW}")
    site.secret("token", "the-token-of-the-dashboard")
    site.secret("certificate", "no certificate")
    (site.folder / "ca").unlink()
    eventually(lambda: served.stale() == 4)
    assert served.post() == (201, OLD)
    assert (served.admin(bearer(OLD)), served.admin(bearer("the-token-of-the-dashboard"))) == (200, 200)
    assert served.believed("old")
    assert served.stage.admin("/readyz").status == 200
    site.secret("credential", NEW)
    site.secret("token", NEW)
    site.listen_as("new")
    site.trust("old")
    eventually(lambda: served.stale() == 0)
    assert served.post() == (201, NEW)
    assert (served.admin(bearer(OLD)), served.admin(bearer(NEW))) == (401, 200)
    assert served.believed("new")
    assert served.counted("secrets_unreadable") == [1, 1, 1, 1]
