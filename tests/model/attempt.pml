/* One call of a client at a gateway of its own; it ends, or dies with its gateway. Its steps are in claiming.pml,
   refilling.pml, sending.pml and settling.pml; the states of protocol/exchange are places in the text. */

/* A gateway dies between two steps of its call: it is as if it stood still for ever. */
#define DIES atomic { crashes -> \
  crashes--; crashed[me] = 1; \
  if \
  :: row.state == IN_FLIGHT && row.owner == me -> REACHED(crashed_in_flight) \
  :: else \
  fi; \
  printf("gateway %d: dies\n", me); \
  goto at_end }

#include "claiming.pml"
#include "refilling.pml"
#include "sending.pml"
#include "settling.pml"

proctype Attempt(byte me) {
  unsigned fence : 3;
  bit taken;               /* the grant's taken_over */
  Row read;                /* the row, as a SELECT found it */
  unsigned answer : 2;     /* of its execution, or of the replay */
  unsigned settlement : 3;
  bit watching;            /* the store was asked for word of the record */
  bit doubted;             /* a claim of this owner was not answered */
  bit taking_back;         /* the caller was told 503, and a grant would be given back */
  bit told;                /* ... or told in other words that this call sent nothing */
  bit replied;             /* the caller has heard the end of it */
  bit sent;
  bit none_executed;       /* when the release was committed, nothing had been executed */
  bit came_late;           /* a refill wrote its copy after the record was forgotten */
  bit on_time;             /* every trip of a refill arrived */

  /* All are alike, so they begin in one order. */
  atomic { begun == me - 1 -> begun = me; living[me] = 1; asks() }
claim:
  claims();
granted:
  sends();
settle:
  settles();
replay:
  refills();
  atomic {
    skip;
at_end:
    fence = 0; taken = 0; answer = 0; settlement = 0; cleared(read);
    watching = 0; doubted = 0; taking_back = 0; told = 0; replied = 0; sent = 0; none_executed = 0;
    came_late = 0; on_time = 0;
    in_hand[me] = 0; poised[me] = 0; overdue[me] = 0; living[me] = 0;
    ended++
  }
}
