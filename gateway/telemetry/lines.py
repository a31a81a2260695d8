"""How a log line is made: which fields it may have, and how they are written.

A field that is not on the list is left out, whoever gave it: what is new has to be thought of here, where somebody asks
whether a caller could have sent it. Refuses to know what the lines are about.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

# Names of routes, stores and operators, words and numbers of the gateway's own. ``detail`` is a sentence of ours, or of
# a library about a server; ``exception`` has frames and no variables.
ALLOWED = frozenset(
    {
        *("event", "level", "timestamp", "exception", "exc_info", "logger", "detail"),
        *("route", "outcome", "status", "ms", "added_ms", "upstream_ms", "record", "trace_id", "span_id"),
        *("reason", "choice", "result", "verdict", "note", "operation", "code", "verb", "by", "count", "signal"),
        *("lapsed", "unknown_expired", "answers_expired", "forgotten", "seconds", "grace_seconds"),
        *("listen", "admin", "store", "records", "routes", "file", "keys", "setting"),
    }
)

Line = MutableMapping[str, Any]


def configure(form: str | None, level: str) -> None:
    """Sets up logging for the process. ``form``: ``json``, ``console``, or by whether standard error is a terminal."""
    console = form == "console" or (form is None and sys.stderr.isatty())
    structlog.configure(
        processors=[
            allowed,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_console() if console else _json()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # The servers below say only what is wrong with themselves; what is wrong with a request is its answer.
    logging.basicConfig(level=logging.ERROR, handlers=[OfLibraries()])


def allowed(_logger: object, _method: str, line: Line) -> Line:
    """The line less every field that is not on the list."""
    return line if line.keys() <= ALLOWED else {name: value for name, value in line.items() if name in ALLOWED}


# Both show a fault's frames and never their variables, which hold requests.


def _json() -> list[Processor]:
    transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(transform), structlog.processors.JSONRenderer()]


def _console() -> list[Processor]:
    plain = structlog.dev.plain_traceback
    return [escaped, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def escaped(_logger: object, _method: str, line: Line) -> Line:
    """The line with its control characters written out, as JSON does by itself: a terminal would obey them."""
    return {name: _shown(value) if isinstance(value, str) else value for name, value in line.items()}


def _shown(text: str) -> str:
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class OfLibraries(logging.Handler):
    """What libraries have to say, in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        log = structlog.get_logger()
        log.log(record.levelno, "library", logger=record.name, detail=record.getMessage(), exc_info=record.exc_info)
