"""How the simulated upstream is asked what came of a call: one question, and what its answers mean.

An answer's own status says how the call itself was answered, so that an answer that was found is the first one's again,
byte for byte. Refuses to know when what shows up there.
"""

from datetime import timedelta
from random import Random

from gateway.policies.reconciling import Asking, Found, KeptAnswer, NotFound, Pauses, Reconcile
from gateway.policies.templates import parse_url_template

# How the upstream tells of a call that it answered with the status behind it.
TOLD_AS = {200: 201, 203: 500}
ABSENT = 404
TIMEOUT = timedelta(seconds=2)


def reconcile(chance: Random) -> Reconcile:
    """One route's choice. Its quiet period may end before a request has come that is still under way."""
    found = tuple(Found(frozenset({told}), answer=KeptAnswer(status=status)) for told, status in TOLD_AS.items())
    return Reconcile(
        Asking(parse_url_template("/charges/{key}/{header:authorization}"), timeout=TIMEOUT),
        (*found, NotFound(frozenset({ABSENT}))),
        quiet_period=timedelta(seconds=chance.choice((1, 5, 15))),
        pauses=Pauses(timedelta(seconds=1), timedelta(seconds=4)),
    )
