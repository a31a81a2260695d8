"""Log lines: one event, a few allow-listed fields, nothing that a caller sent.

Keys appear as the beginning of their record's id, never as text; queries, bodies and credentials never. JSON escapes
control characters; the console form is for people at a terminal.
"""

import logging
import sys
from collections.abc import Mapping

import structlog
from structlog.typing import Processor

from gateway.protocol import observations as seen
from gateway.protocol.observations import Observation

# What is worth a line: the event's name, and its level. Whatever happens on every call is counted, not logged.
EVENTS: Mapping[type[Observation], tuple[str, int]] = {
    seen.OutcomeLost: ("outcome-lost", logging.WARNING),
    seen.LateAnswer: ("late-answer", logging.INFO),
    seen.SettlementMoved: ("settlement-moved", logging.WARNING),
    seen.SettlementSlow: ("settlement-slow", logging.WARNING),
    seen.NotSent: ("not-sent", logging.WARNING),
    seen.PolicyChoice: ("policy-choice", logging.INFO),
    seen.Inquired: ("inquired", logging.DEBUG),
    seen.Reconciled: ("reconciled", logging.INFO),
    seen.StoreFault: ("store-fault", logging.ERROR),
    seen.GrantTakenBack: ("grant-taken-back", logging.INFO),
    seen.KeysRead: ("caller-keys-read", logging.INFO),
    seen.KeysUnreadable: ("caller-keys-unreadable", logging.ERROR),
    seen.RatesAlone: ("rates-alone", logging.WARNING),
    seen.RatesTogether: ("rates-together", logging.INFO),
    seen.InternalFault: ("internal-fault", logging.ERROR),
    seen.WorkerEnded: ("worker-ended", logging.ERROR),
    seen.FrontLost: ("front-lost", logging.WARNING),
    seen.FrontBack: ("front-back", logging.INFO),
    # A warning, though most are none: whoever logs less than usual still has the audit.
    seen.OperatorVerb: ("operator-verb", logging.WARNING),
    seen.Swept: ("swept", logging.DEBUG),
}


# What is counted and not logged: it happens on every call.
_COUNTED: frozenset[type[Observation]] = frozenset(
    (
        *(seen.Answered, seen.Waiting, seen.NotAskable, seen.FrontAsked, seen.Shed, seen.TooSlow),
        *(seen.CallerAdmitted, seen.CallerRefused, seen.CountedAlone),
        *(seen.RecentAnswered, seen.RecentKept, seen.RecentDropped),
    )
)


def configure(form: str | None, level: str) -> None:
    """Sets up logging for the process. ``form``: ``json``, ``console``, or by whether standard error is a terminal."""
    console = form == "console" or (form is None and sys.stderr.isatty())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_console() if console else _json()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # The servers below say only what is wrong with themselves; what is wrong with a request is its answer.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


# Both show a fault's frames and never their variables, which hold requests.


def _json() -> list[Processor]:
    transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(transform), structlog.processors.JSONRenderer()]


def _console() -> list[Processor]:
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


class Logs:
    """A sink that writes lines."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()

    def observe(self, observation: Observation) -> None:
        """A line for what is worth one."""
        if type(observation) in _COUNTED:
            return
        name, level = EVENTS[type(observation)]
        if isinstance(observation, seen.InternalFault):
            self._log.log(level, name, route=observation.route, exc_info=observation.fault)
            return
        slots = type(observation).__slots__
        self._log.log(level, name, **{slot: getattr(observation, slot) for slot in slots})

    def say(self, event: str, **fields: object) -> None:
        """A line of the gateway's own life: started, draining, stopped."""
        self._log.info(event, **fields)

    def caution(self, **fields: object) -> None:
        """A line that somebody should read, though nothing is broken."""
        self._log.warning("caution", **fields)
