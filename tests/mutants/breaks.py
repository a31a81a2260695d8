"""The list: what somebody might get wrong, as an exact replacement of a piece of source, and who must notice.

A piece must be found exactly once, so that whoever changes the code around it is told to look at its mutant again.
Refuses to import the gateway, which is loaded with the break in it.
"""

from dataclasses import dataclass

# Who notices: histories (``tests.simulation``), or tests by what pytest is to be told.
SIMULATION = "simulation"
CONTRACT = "tests/stores/test_memory.py"
ON_SQLITE = "tests/stores/test_sqlite.py -k law_"
A_LATE_COPY = "tests/stores/test_tiered.py -k overtaken"
HOP = "tests/proxying/test_sending.py"
HOP2 = "tests/proxying/test_http2_refusals.py"
DECISIONS = "tests/protocol/test_decisions.py"
JUDGING = "tests/policies/test_judging.py"
INQUIRIES = "tests/stores/test_registry.py"
DOUBT = "tests/stores/test_batching.py -k unsure"
RECENT = "tests/stores/test_recent.py --deselect tests/stores/test_recent.py::TestInFrontOfMemory"
COSTS = "tests/costs/test_costs.py -k pass-through"


@dataclass(frozen=True, slots=True)
class Edit:
    """``old`` stands exactly once in ``module``."""

    module: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A break, and who must notice it; the first of them does so in the ordinary run."""

    name: str
    edits: tuple[Edit, ...]
    noticed_by: tuple[str, ...]


def _mutant(name: str, noticed_by: str | tuple[str, ...], *edits: tuple[str, str, str]) -> Mutant:
    witnesses = (noticed_by,) if isinstance(noticed_by, str) else noticed_by
    return Mutant(name, tuple(Edit(f"gateway.{module}", old, new) for module, old, new in edits), witnesses)


# Longer pieces.

_LATE_ANSWER = """case Answered():
            settlement, _ = _answered(call, grant, event)
            return Finishing(), (Settle(grant, settlement),)"""

_GRANTED_IN_DOUBT = """            from gateway.protocol.model import Grant, Granted
            claim = self._errand.claim
            granted = Granted(Grant(claim.id, 1, claim.owner, claim.retention))
            return ClaimJudged(granted) if fault.unsure else StoreDown()
        except RecordUnreadable"""

_ASKED = "            verdict = await self._asked.claim(claim)\n"

_LOOKED_AT = """            if await self._authority.look(claim.id) is None:
                self._way.bring(lambda: self._asked.claim(claim))
                return Granted(Grant(claim.id, 1, claim.owner, claim.retention))
            verdict = await self._asked.claim(claim)
"""

_GRANTED_BY_REDIS = """            try:
                verdict = await self._asked.claim(claim)
            except StoreUnavailable:
                if await self._front.recall(claim.id) is not None:
                    raise
                held = Hint(claim.identity, claim.owner, claim.lease, claim.lease)
                await self._front.hint(claim.id, held, claim.lease)
                return Granted(Grant(claim.id, 1, claim.owner, claim.retention))
"""

_REFUSED_OR_NOT = """        answer = await self._asked.settle(grant, settlement)
"""

_KEPT_ALL_THE_SAME = """        from datetime import UTC, datetime
        heard = answer = await self._asked.settle(grant, settlement)
        if isinstance(answer, Moved) and isinstance(settlement, Complete):
            answer = Settled(datetime(2026, 1, 2, tzinfo=UTC))
"""

_SENT_AGAIN = """        try:
            await answer.begin()
        except Exception:
            connection = await pool.obtain()
            answer = HopAnswer(connection, Reading(request.method), pool.idle_time)
            connection.start(answer, message.first)
            await answer.begin()
        return answer
"""

_LEAVE = """if policy.terms.on_unknown is not OnUnknown.RETRY or policy.upstream_retention is None:
        return None"""


_CLAIMS, _EXCHANGE, _RUNNER = "protocol.claims", "protocol.exchange", "runner.exchanges"
_DECISIONS = "protocol.decisions"

MUTANTS = (
    # The law of a record.
    _mutant(
        "fence and owner ignored",
        (SIMULATION, CONTRACT),
        (_CLAIMS, "(current.fence, current.owner) != (grant.fence, grant.owner)", "current.fence < grant.fence"),
    ),
    _mutant(
        "lease takeover",
        (SIMULATION, CONTRACT),
        (_CLAIMS, "return as_of(_lapsed(record), now)", "return None"),
    ),
    _mutant(
        "purge of an unsettled record",
        (SIMULATION, CONTRACT),
        (
            _CLAIMS,
            "case Unknown() if record.expire_at <= now:\n            return as_of(_tombstone(record), now)",
            "case Unknown() if record.expire_at <= now:\n            return None",
        ),
    ),
    _mutant(
        "fingerprint not checked in flight",
        (SIMULATION, CONTRACT),
        (
            _CLAIMS,
            "if stranger := stranger_to(claim, current.identity):",
            "if not isinstance(current, InFlight) and (stranger := stranger_to(claim, current.identity)):",
        ),
    ),
    _mutant(
        "take-over released to free",
        (SIMULATION, CONTRACT),
        (_CLAIMS, "case Release() if not current.taken_over:", "case Release():"),
    ),
    _mutant(
        "taken over for ever",
        (SIMULATION, CONTRACT),
        (
            _CLAIMS,
            "claim.takeover is not None and now < current.first_sent_at + claim.takeover",
            "claim.takeover is not None",
        ),
    ),
    _mutant(
        "first sending forgotten by a take-over",
        (SIMULATION, CONTRACT),
        (
            _CLAIMS,
            "record.first_sent_at if isinstance(record, Unknown | InFlight) and grant.taken_over else now",
            "now",
        ),
    ),
    # The law of a decision.
    _mutant(
        "decision without the fence's check",
        (SIMULATION, DECISIONS),
        (_DECISIONS, "if current.fence != decision.fence:", "if current.fence < decision.fence:"),
    ),
    _mutant(
        "decision under the old fence",
        (SIMULATION, DECISIONS),
        (_DECISIONS, "fence, retention = decision.fence + 1, ", "fence, retention = decision.fence, "),
        (_DECISIONS, "Released(current.id, fence, decision.owner,", "Released(current.id, fence, current.owner,"),
        (_DECISIONS, "                owner=decision.owner,", "                owner=current.owner,"),
    ),
    _mutant(
        "repeated decision taken for another's",
        (SIMULATION, DECISIONS),
        (
            _DECISIONS,
            "(current.fence, current.owner) == (decision.fence + 1, decision.owner)",
            "(current.fence, current.owner) == (decision.fence, decision.owner)",
        ),
    ),
    # A reconciler's work.
    _mutant(
        "work given to two reconcilers",
        (SIMULATION, INQUIRIES),
        ("stores.memory_registry", "self._put_off(record, now, now + work)", "self._put_off(record, now, asks_at)"),
        ("stores.memory_registry", "for _, record in sorted(waiting", "for asks_at, record in sorted(waiting"),
    ),
    _mutant(
        "not found once, and freed",
        (SIMULATION, JUDGING),
        ("policies.judging", "if absent >= ENOUGH:", "if absent >= 1:"),
    ),
    _mutant(
        "freed before the quiet period is over",
        (SIMULATION, JUDGING),
        (
            "policies.judging",
            "inquiry.absent + 1 if inquiry.age >= reconcile.quiet_period else 0",
            "inquiry.absent + 1",
        ),
    ),
    _mutant(
        "no answer counted as not found",
        (SIMULATION, JUDGING),
        ("policies.judging", "return Asked(0, _pause(", "return Asked(inquiry.absent, _pause("),
    ),
    # The law of a request.
    _mutant(
        "release on time-out",
        SIMULATION,
        (
            _EXCHANGE,
            "return Settling(reply), (Settle(grant, MarkUnknown(reason)),)",
            "return Settling(reply), (Settle(grant, Release()),)",
        ),
    ),
    _mutant(
        "release at shutdown of what was sent",
        SIMULATION,
        (
            _EXCHANGE,
            'case GraceOver():\n            return _lost(state, "shutdown", timed_out=False)',
            'case GraceOver():\n            return _give_back(call, grant, "draining")',
        ),
    ),
    _mutant(
        "late answer dropped",
        SIMULATION,
        (
            _EXCHANGE,
            _LATE_ANSWER,
            "case Answered():\n            return Done(), ()",
        ),
    ),
    _mutant(
        "refused settlement taken as written",
        SIMULATION,
        (
            _EXCHANGE,
            "return Done(), (replace(state.overtaken or state.reply, recorded=False),)",
            "return Done(), (state.reply,)",
        ),
    ),
    _mutant(
        "unwritten settlement taken as written",
        SIMULATION,
        (
            _EXCHANGE,
            "return Finishing(), (replace(state.overtaken or state.reply, recorded=False),)",
            "return Finishing(), (replace(state.reply, recorded=False),)",
        ),
    ),
    _mutant(
        "sent without a store, whatever the policy says",
        SIMULATION,
        (_EXCHANGE, "case StoreDown() if state.passes:", "case StoreDown() if not state.waited:"),
    ),
    _mutant(
        "second attempt's refusal taken as proof",
        SIMULATION,
        ("protocol.terms", "if taken_over and (status in", "if not taken_over and (status in"),
    ),
    # The runner.
    _mutant(
        "ambiguous commit taken as a grant",
        SIMULATION,
        (
            _RUNNER,
            "            return StoreDown()\n        except RecordUnreadable",
            _GRANTED_IN_DOUBT,
        ),
    ),
    _mutant(
        "dispatch deadline ignored",
        SIMULATION,
        (_RUNNER, "await self._sending(begun - self._begun)", "await self._sending(0.0)"),
        (_RUNNER, "dispatch_by=dispatch_by,", "dispatch_by=None,"),
    ),
    _mutant(
        "settlement given up at the first fault",
        SIMULATION,
        (
            _RUNNER,
            'self._ports.observer.observe(seen.StoreFault("settle", str(fault), self._errand.trace))',
            "return SettlementWritten(Moved())",
        ),
    ),
    _mutant(
        "takeover without the policy's leave",
        SIMULATION,
        (
            "policies.admission",
            _LEAVE,
            "if policy.upstream_retention is None:\n        return timedelta(hours=1)",
        ),
    ),
    _mutant(
        "taken-back grant left",
        SIMULATION,
        ("runner.taking_back", "await self._store.settle(verdict.grant, Release())", "pass"),
    ),
    _mutant(
        "unsure claim not asked for again",
        SIMULATION,
        (_RUNNER, "if fault.unsure and self._errand", "if not fault.unsure and self._errand"),
    ),
    # Two stores.
    _mutant(
        "claim by check-then-act",
        SIMULATION,
        (
            "stores.tiered",
            _ASKED,
            _LOOKED_AT,
        ),
    ),
    _mutant(
        "Redis allowed to grant",
        SIMULATION,
        (
            "stores.tiered",
            _ASKED,
            _GRANTED_BY_REDIS,
        ),
    ),
    _mutant(
        "Redis copy not bound to its key",
        SIMULATION,
        ("stores.redis.copies", "record_id.digest + kind + rest", "kind + rest"),
        (
            "stores.codec",
            'body, place = body or b"", record_id.digest',
            'body, place, fence = body or b"", b"", 0',
        ),
    ),
    _mutant(
        "old dump believed",
        SIMULATION,
        ("stores.tiered", "if known is not None and self._erasing.is_due:", "if known is self._erasing:"),
    ),
    _mutant(
        "copy written without a second look",
        A_LATE_COPY,
        (
            "stores.tiered",
            "if await self._authority.look(record_id) != record:",
            "if await self._authority.look(record_id) is self:",
        ),
    ),
    _mutant(
        "copy kept of a completion that came too late",
        SIMULATION,
        ("stores.tiered", _REFUSED_OR_NOT, _KEPT_ALL_THE_SAME),
        (
            "stores.tiered",
            "        return answer\n\n    async def watch",
            "        return heard\n\n    async def watch",
        ),
    ),
    # Group commit.
    _mutant(
        "answers of a batch handed to each other",
        SIMULATION,
        (
            "stores.batching",
            "for waiter, outcome in zip(batch, outcomes, strict=True):",
            "for waiter, outcome in zip(batch, list(outcomes)[::-1], strict=True):",
        ),
    ),
    _mutant(
        "earlier doubt forgotten",
        DOUBT,
        ("stores.batching", "            _doubt(doubted, unsure=True)\n", ""),
    ),
    # One store, in SQL.
    _mutant(
        "first grant written over what is there",
        ON_SQLITE,
        (
            "stores.sql.dialects",
            "sqlite.insert(table).on_conflict_do_nothing()",
            'sqlite.insert(table).prefix_with("OR REPLACE")',
        ),
    ),
    _mutant(
        "fence ignored by a statement",
        ON_SQLITE,
        (
            "stores.sql.statements",
            '    _row.fence == bindparam("of_fence"),\n    _row.owner == bindparam("of_owner"),\n)\n_UNDER_LEASE',
            ")\n_UNDER_LEASE",
        ),
    ),
    # The hop.
    _mutant(
        "hidden retry in the hop",
        HOP,
        (
            "proxying.hop",
            "        await answer.begin()\n        return answer\n",
            _SENT_AGAIN,
        ),
    ),
    _mutant(
        "sent in spite of the dispatch deadline",
        HOP,
        ("proxying.hop", "self.clock.monotonic() >= dispatch_by", "self.clock.monotonic() < 0"),
    ),
    _mutant(
        "any reset of a stream taken as HTTP/2's guarantee",
        HOP2,
        ("proxying.http2.hearing", "event.error_code == ErrorCodes.REFUSED_STREAM", "event.error_code"),
    ),
    _mutant(
        "a guarantee believed of what was answered",
        HOP2,
        ("proxying.http2.stream", "return self._believes and not self.begun", "return self._believes"),
    ),
    # What was replayed lately.
    _mutant(
        "what is kept outlives its forgetting",
        (RECENT, SIMULATION),
        ("stores.recent", '        self._drop(record_id.digest, "forgotten")\n', ""),
    ),
    _mutant(
        "what was on its way when it was forgotten is kept",
        RECENT,
        ("stores.recent", " and words == self._words", ""),
    ),
    _mutant(
        "what is kept is told to anybody's request",
        (RECENT, SIMULATION),
        (
            "stores.recent",
            "judge(copy.record, claim, copy.record.created_at)",
            "judge(copy.record, replace(claim, identity=copy.record.identity), copy.record.created_at)",
        ),
        ("stores.recent", "import dataclass, field\n", "import dataclass, field, replace\n"),
    ),
    _mutant(
        "an answer in its form outlives its record",
        (RECENT, "tests/scenarios/test_retries.py"),
        ("stores.recent", "                del self._forms[request]\n", "                pass\n"),
    ),
    _mutant(
        "what is kept outlives its retention",
        RECENT,
        ("stores.recent", "asked + min(rest, self._lasts)", "asked + self._lasts"),
    ),
    _mutant(
        "what is kept is believed without word of others",
        RECENT,
        ("stores.recent", "self._longest if others else min(self._longest, UNHEARD)", "self._longest"),
    ),
    # What a call costs.
    _mutant(
        "a request's head read twice",
        COSTS,
        (
            "edge.app",
            "        head = read_head(scope)\n",
            "        read_head(scope)\n        head = read_head(scope)\n",
        ),
    ),
    _mutant(
        "an answer's head parsed twice",
        COSTS,
        (
            "proxying.http1",
            "    status, headers = _parse(data)\n",
            "    _parse(data)\n    status, headers = _parse(data)\n",
        ),
    ),
)

# What the instrument itself is tried with: a change that breaks nothing, and a piece that stands nowhere.
HARMLESS = _mutant(
    "harmless", "tests/protocol/test_key.py", ("protocol.key", "class KeyFault", "class KeyFault  # noqa")
)
GONE = _mutant("gone", "tests/protocol/test_key.py", ("protocol.key", "class KeyFaultOfOld", "class KeyFault"))
