"""``reconcile`` as the core has it, out of its settings, which ``validate`` has found whole."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from gateway.config.files import Given
from gateway.config.reconcile_settings import (
    WHOLE,
    AnswerSettings,
    FoundSettings,
    ReconcileSettings,
    RequestSettings,
    RuleSettings,
    WhereSettings,
)
from gateway.config.urls import BaseUrl
from gateway.policies.added import Added
from gateway.policies.reconciling import (
    Asking,
    Condition,
    Found,
    KeptAnswer,
    NotFound,
    Pauses,
    Pointer,
    Reconcile,
)
from gateway.policies.routing import Target
from gateway.policies.templates import Template
from gateway.protocol.fingerprint import pointer_tokens

# An upstream may learn of a call, and show it, long after it was sent.
SHORTEST_QUIET = timedelta(minutes=5)


def build_reconcile(settings: ReconcileSettings, total: timedelta) -> Reconcile:
    """``total``: how long a call of the route may take."""
    return Reconcile(
        asking=_asking(settings.request),
        rules=tuple(map(_rule, settings.rules)),
        quiet_period=quiet_period(settings, total),
        pauses=Pauses(settings.pause.first, settings.pause.longest),
    )


def quiet_period(settings: ReconcileSettings, total: timedelta) -> timedelta:
    """As it counts."""
    return max(2 * total, SHORTEST_QUIET) if settings.quiet_period is None else settings.quiet_period


def _asking(request: RequestSettings) -> Asking:
    return Asking(
        path=request.path or Template(()),
        method=request.method,
        headers=tuple((name.encode(), value) for name, value in request.headers.items() if isinstance(value, Template)),
        added=added_of({name: value for name, value in request.headers.items() if isinstance(value, Given)}),
        base="" if request.url is None else _base(request.url),
        timeout=request.timeout,
    )


def added_of(fields: Mapping[str, Given]) -> Added:
    """Fields as they stand, with the files that some of them come from."""
    files = {name.encode(): given.file for name, given in fields.items() if given.file is not None}
    return Added(tuple((name.encode(), given.value) for name, given in fields.items()), files)


def _base(url: BaseUrl) -> str:
    return Target(url.scheme, url.host, url.port).origin + url.path


def _rule(rule: RuleSettings) -> Found | NotFound:
    if (absent := rule.not_found) is not None:
        return NotFound(frozenset(absent.statuses), _pointer(absent.empty), _where(absent.where))
    found = rule.found or FoundSettings()
    answer = _answer(found.answer)
    return Found(frozenset(found.status), _pointer(found.first), _where(found.where), answer)


def _where(conditions: Sequence[WhereSettings]) -> tuple[Condition, ...]:
    return tuple(Condition(pointer_tokens(each.pointer), each.equals) for each in conditions)


def _answer(answer: AnswerSettings) -> KeptAnswer:
    return KeptAnswer(
        status=answer.status,
        headers=tuple((name.encode(), given.value) for name, given in answer.headers.items()),
        body=None if answer.body in (None, WHOLE) else pointer_tokens(answer.body),
        whole=answer.body == WHOLE,
    )


def _pointer(text: str | None) -> Pointer | None:
    return None if text is None else pointer_tokens(text)
