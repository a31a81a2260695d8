"""Two minutes of chaos: three gateways, real servers, callers who retry, and everything goes wrong that can."""

import pytest

from loadtests.chaos import main


def test_no_fault_breaks_a_promise(capsys: pytest.CaptureFixture[str]) -> None:
    """By the command that people run; what it prints, the seed first, is seen while it runs."""
    with capsys.disabled():
        print()
        assert main(["--minutes", "1.25"]) == 0
