"""Collected where Debian's ``spin`` and ``gcc`` are installed; elsewhere the run's head says what to install."""

from tests.model.spin import missing

collect_ignore = ["test_model.py"] if missing() else []


def pytest_report_header() -> str | None:
    lacking = missing()
    return f"tests/model is not collected; it takes: apt-get install {' '.join(lacking)}" if lacking else None
