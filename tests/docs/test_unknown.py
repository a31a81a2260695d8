"""Every word that stands beside an unknown record is explained."""

import ast
import re

from gateway.protocol import claims
from tests.docs.pages import ROOT


def said_by_the_hop() -> set[str]:
    """The reasons that the hop gives for a lost outcome, as its source has them."""
    tree = ast.parse((ROOT / "gateway" / "proxying" / "faults.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    first = [each.args[0] for each in calls if each.func.id in {"OutcomeUnknown", "_not_processed"}]  # type: ignore[attr-defined]
    return {str(each.value) for each in first if isinstance(each, ast.Constant)}


def test_the_page_explains_every_word_beside_an_unknown_record() -> None:
    table = re.findall(r"^\| (`.+?) \|", (ROOT / "docs" / "unknown.md").read_text(), re.MULTILINE)
    explained = {word for cell in table for word in re.findall(r"`([a-z-]+)`", cell)}
    of_records = {claims.RESPONSE_TIMEOUT, claims.LEASE_OVER, claims.TAKEOVER_NOT_EXECUTED}
    hop = said_by_the_hop()
    assert len(hop) >= 10
    assert hop | of_records <= explained
