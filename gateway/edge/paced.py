"""The downstream connection by the clock: what it is at, and whether its caller keeps pace.

Knows uvicorn's protocol and how bytes move on it. Refuses to know what a good request is, and how a refusal is written:
that is the guard's.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.edge.leaving import reset, untaken
from gateway.edge.pace import Pace, Spell
from gateway.edge.presence import Presence
from gateway.policies.downstream import Patience
from gateway.ports import Observer
from gateway.protocol import observations as seen
from gateway.protocol import problems
from gateway.protocol.observations import Observation
from gateway.protocol.problems import Problem


class Unobserved:
    """Nobody counts."""

    def observe(self, observation: Observation) -> None:
        """Nothing."""


class PacedProtocol(HttpToolsProtocol, ABC):
    """A connection that is looked at every so often. ``_turn`` counts its requests."""

    observer: ClassVar[Observer] = Unobserved()
    pace: ClassVar[Pace] = Pace(Patience())

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own signature
        super().__init__(*args, **kwargs)
        self._turn = 0
        self._heard = 0
        self._written = 0
        self._in_head = False
        self._closed_for_input = False
        self._left = False
        self._presence = Presence()
        self._reading = Spell()
        self._writing = Spell()

    @abstractmethod
    def _refuse_now(self, problem: Problem) -> None:
        """Answers ``problem`` where that is still possible, and reads no more."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._turn += 1
        self._in_head = True

    def on_response_complete(self) -> None:
        """An answer is out: the next call of the pipeline begins, unless the connection ends here.

        In place of uvicorn's own, which starts a timer after every answer; ``look`` keeps that time.
        """
        if self._left or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def look(self, elapsed: float) -> None:
        """Called every ``pace.every`` seconds, ``elapsed`` after the last time: gives up a caller that is too slow."""
        self._look_at_answer(elapsed)  # Also of a connection that closes when all of it is taken.
        if not self.transport.is_closing() and not self._closed_for_input:
            self._look_at_request(elapsed)

    def _look_at_request(self, elapsed: float) -> None:
        pace, spell, cycle = self.pace, self._reading, self._being_answered()
        if not self._in_head and cycle is not None:
            self._look_at_body(cycle, elapsed)
            return
        at = "head" if self._in_head else "idle" if self._turn else "silent"
        spell.go_on((at, self._turn), 0, elapsed)
        if spell.waited <= (pace.idle if at == "idle" else pace.head):
            return
        if at != "idle":
            self.observer.observe(seen.TooSlow(at))
        if at == "head":
            self._refuse_now(problems.request_overdue(sent=False))
        else:
            self.transport.close()

    def _look_at_body(self, cycle: RequestResponseCycle, elapsed: float) -> None:
        pace, spell = self.pace, self._reading
        if not cycle.more_body:
            spell.go_on(None, 0, 0)
            return
        # A body that nobody takes in is not late, nor one whose turn has not come.
        untaken = self.flow.read_paused or self.pipeline
        spell.go_on(("body", self._turn), self._heard, 0 if untaken else elapsed)
        if spell.waited > pace.total or spell.slower(pace.least_rate, pace.body, self._heard):
            self.observer.observe(seen.TooSlow("body"))
            self._refuse_now(problems.request_overdue(sent=self._presence.counts))

    def _look_at_answer(self, elapsed: float) -> None:
        pace, spell = self.pace, self._writing
        unread = untaken(self.transport)
        taken = self._written - unread
        spell.go_on("answer" if unread else None, taken, elapsed)
        if spell.slower(pace.least_rate, pace.answer, taken):
            self.observer.observe(seen.TooSlow("answer"))
            reset(self.transport)

    def _write(self, data: bytes) -> None:
        self._written += len(data)
        self.transport.write(data)

    def _being_answered(self) -> RequestResponseCycle | None:
        cycle: RequestResponseCycle | None = self.cycle  # None until the first request, whatever its stub says.
        return None if not cycle or cycle.response_complete else cycle
