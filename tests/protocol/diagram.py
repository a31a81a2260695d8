"""The state diagram of docs/guarantees.md, drawn from the table that the law is tested against.

``python -m tests.protocol.diagram`` prints it; a test compares it with that page.
"""

from tests.protocol.test_record_law import TABLE

# Events that several arrows share are written once, in the order of the table.
SHOWN = ("granted", "settled", "forgotten", "")


def mermaid() -> str:
    """A Mermaid state diagram of every change of state."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (source, event), (heard, target) in TABLE.items():
        if heard in SHOWN and source != target:
            arrows.setdefault((source, target), []).append(event)
    lines = ["stateDiagram-v2"]
    for (source, target), events in arrows.items():
        lines.append(f"    {_name(source)} --> {_name(target)}: {' / '.join(_brief(events))}")
    return "\n".join(lines)


def _brief(events: list[str]) -> list[str]:
    """``claim`` says it where the policy makes no difference."""
    return [event for event in events if event != "claim, policy retry"] if "claim" in events else events


def _name(state: str) -> str:
    words = "".join(word.capitalize() for word in state.split())
    return "[*]" if state == "none" else words


if __name__ == "__main__":
    print(mermaid())
