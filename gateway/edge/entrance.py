"""Who calls, and whether they may: asked on every call to a route that has callers, before anything is looked up.

So a caller whose key was taken back, or whose token has ended, gets no replay either. Knows header fields and the ports
behind which keys are kept and tokens verified. Refuses to know the call itself, and to repeat a credential: no answer,
metric or log line has one.
"""

from collections.abc import Sequence

from gateway.edge.bearers import UNVERIFIABLE_FOR, Bearers
from gateway.edge.keys_held import KeysHeld
from gateway.policies.callers import SHORTEST_KEY, Entry, KnownCaller, Need, may_use
from gateway.policies.routing import Route
from gateway.policies.tokens import TokenFault
from gateway.ports import Keys, Observer, Rates
from gateway.protocol import problems
from gateway.protocol.fingerprint import Digester, key_digest
from gateway.protocol.headers import Headers, values
from gateway.protocol.observations import CallerAdmitted, CallerRefused
from gateway.protocol.problems import Problem


class Entrance:
    """Lets in whoever may come in. ``bearers``: those who show a token instead of a key, where there are such."""

    def __init__(
        self,
        entry: Entry,
        keys: Keys,
        rates: Rates,
        digester: Digester,
        observer: Observer,
        keys_held: KeysHeld,
        bearers: Bearers | None = None,
    ) -> None:
        self.keys_held = keys_held
        self.credentials = entry.credentials if bearers is None else entry.credentials | {bearers.header}
        self._header = entry.header.encode()
        self._keys = keys
        self._rates = rates
        self._digester = digester
        self._observer = observer
        self._bearers = bearers
        self._challenge = f'GatewayKey realm="idempotency-gateway", header="{entry.header}"' if entry.keys else ""

    async def admit(self, headers: Headers, route: Route) -> KnownCaller | Problem | None:
        """Who calls, or why they may not. ``None``: somebody unknown, where the route lets such callers in."""
        shown = self._bearers.shown(headers) if self._bearers is not None else ()
        who: KnownCaller | Problem | None
        if shown and self._bearers is not None:
            who = await self._bearer(self._bearers, shown, headers, route)
        else:
            who = self._who(headers, route)
        if not isinstance(who, KnownCaller):
            return who
        if problem := may_use(who, route.name):
            return self._refused(route, who, "route", problem)
        rate = who.quotas.rate
        if rate is not None and not await self._rates.admits(rate, self._digester.counted(who.identity)):
            told = "This caller has made as many calls as it may in this time."
            return self._refused(route, who, "rate", problems.rate_limited(told, rate.pause))
        self._observer.observe(CallerAdmitted(who.label))
        return who

    async def _bearer(
        self, bearers: Bearers, shown: Sequence[bytes], headers: Headers, route: Route
    ) -> KnownCaller | Problem:
        """Who shows a token."""
        if len(shown) > 1 or values(headers, self._header):
            told = f"More than one credential came, in the headers {self._name} and {bearers.header}; send one."
            return self._refused(route, None, "several", self._unknown(told))
        who = await bearers.caller(shown[0])
        if isinstance(who, KnownCaller):
            return who
        if who is TokenFault.UNVERIFIABLE:
            return self._refused(route, None, who.value, problems.caller_unverifiable(UNVERIFIABLE_FOR))
        return self._refused(route, None, who.value, self._unknown(bearers.told(who), token=True))

    def _who(self, headers: Headers, route: Route) -> KnownCaller | Problem | None:
        shown = values(headers, self._header)
        if not shown:
            if route.callers is Need.OPTIONAL:
                return None
            told = f"This route is for known callers: send {self._wanted}."
            return self._refused(route, None, "none", self._unknown(told))
        if len(shown) > 1:
            return self._refused(route, None, "several", self._unknown(f"The header {self._name} came twice."))
        holder = self._keys.holder(key_digest(shown[0])) if len(shown[0]) >= SHORTEST_KEY else None
        if holder is None:
            told = f"The key in the header {self._name} is no caller's, or not any more; ask the operator for another."
            return self._refused(route, None, "unknown", self._unknown(told))
        return holder

    @property
    def _name(self) -> str:
        return self._header.decode()

    @property
    def _wanted(self) -> str:
        key = f"your key in the header {self._name}" if self._challenge else ""
        token = "" if self._bearers is None else f"a token in the header {self._bearers.header}"
        return " or ".join(filter(None, (key, token)))

    def _unknown(self, detail: str, *, token: bool = False) -> Problem:
        bearer = "" if self._bearers is None else self._bearers.challenge(shown=token)
        challenge = ", ".join(filter(None, (self._challenge, bearer)))
        return problems.caller_unknown(f"{detail} Nothing was sent.", challenge)

    def _refused(self, route: Route, who: KnownCaller | None, reason: str, problem: Problem) -> Problem:
        self._observer.observe(CallerRefused(route.name, who.label if who else "", reason))
        return problem
