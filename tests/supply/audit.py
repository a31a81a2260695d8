"""Whether anything that runs in production is known to be vulnerable: ``python -m tests.supply.audit``.

Asks an advisory service (OSV) by pip-audit about every distribution in the locks, whatever machine needs it. Exits 1
where one is vulnerable or was not asked about. Where the service cannot be reached it says so, loudly, and exits 0, so
that a build without a network is none that fails; ``--required`` makes it one, for the build of a release.
"""

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.supply.locks import BUILD_LOCK, LOCK, Locked, read

SERVICE = "https://api.osv.dev/v1/query"

# In seconds, for the first answer.
PATIENCE = 10.0

_KNOWN = {"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "0"}


def why_unreachable(service: str) -> str:
    """Why the service cannot be asked from here, empty where it can."""
    asked = urllib.request.Request(service, json.dumps(_KNOWN).encode(), {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:  # noqa: S310 - a URL of this file's, or a test's
            json.load(answer)
    except urllib.error.HTTPError as fault:
        return f"it answers {fault.code}"
    except (OSError, http.client.HTTPException) as fault:
        return str(getattr(fault, "reason", fault)) or type(fault).__name__
    except ValueError:
        return "it does not answer as an advisory service does"
    return ""


def audited(distributions: list[Locked], service: str) -> list[dict[str, Any]]:
    """What pip-audit tells of each; ``SystemExit`` where it does not come to its end."""
    with tempfile.TemporaryDirectory() as folder:
        # Without markers: what another machine needs is asked about too.
        file = Path(folder) / "requirements.txt"
        file.write_text("".join(f"{each.name}=={each.version}\n" for each in distributions))
        command = ["-m", "pip_audit", "--requirement", str(file), "--disable-pip", "--no-deps", "--strict"]
        asking = ["--vulnerability-service", "osv", "--osv-url", service]
        options = [*asking, "--format", "json", "--progress-spinner", "off"]
        ended = subprocess.run([sys.executable, *command, *options], capture_output=True, text=True, check=False)
    try:
        found: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (ValueError, LookupError):
        raise SystemExit(f"pip-audit did not come to its end: {ended.stderr.strip()}") from None
    return found


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tests.supply.audit")
    parser.add_argument("--required", action="store_true", help="fail where the service cannot be reached")
    parser.add_argument("--service", default=SERVICE, metavar="URL", help="an OSV service of your own")
    options = parser.parse_args()
    distributions = [*{(each.name, each.version): each for lock in (LOCK, BUILD_LOCK) for each in read(lock)}.values()]
    if why := why_unreachable(options.service):
        print("*" * 100)
        print(f"NOT AUDITED: {options.service} cannot be asked: {why}.")
        print(f"Whether any of {len(distributions)} distributions is known to be vulnerable, this run does not know.")
        print("*" * 100)
        raise SystemExit(1 if options.required else 0)
    found = audited(distributions, options.service)
    unasked = {each.name for each in distributions} - {each["name"] for each in found if "vulns" in each}
    bad = [each for each in found if each.get("vulns")]
    for each in bad:
        for known in each["vulns"]:
            mended = ", ".join(known["fix_versions"]) or "no version"
            print(f"{each['name']} {each['version']}: {known['id']}, mended in {mended}")
    if unasked:
        print(f"not asked about: {', '.join(sorted(unasked))}")
    print(f"{len(found)} distributions audited, {len(bad)} known to be vulnerable.")
    raise SystemExit(1 if bad or unasked else 0)


if __name__ == "__main__":
    main()
