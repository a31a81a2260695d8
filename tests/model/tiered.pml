/* The protocol of Postgres with Redis in front, one key, as the code performs it: what Spin checks exhaustively.

   Steps have the names that the code has: statements of gateway/stores/sql, trips of ports.Front, commands and events
   of protocol/exchange. A statement of SQL and a command of Redis are one step each, because that is what they are;
   between any two of them anybody else may act, stand still for long, or die.

   Refuses to know bodies, scopes and fingerprints (one request, its key), what a batch is (each statement of one
   commits by itself), and seconds: time passes as events, whenever that may be.

   An attempt is one call of a client, at a gateway of its own. Answers are numbers: the n-th execution gives answer n.
*/
#include "mutants.pml"
#include "bounds.pml"
#include "promises.pml"

bit crashed[MOST + 1];
bit living[MOST + 1];   /* attempts that are neither at their end nor dead */
bit poised[MOST + 1];   /* between the last look at the deadline and the first byte */
bit overdue[MOST + 1];  /* the deadline for the first byte has passed for certain */
bit in_hand[MOST + 1];  /* has read the row, on a connection that lasts, and not acted on it yet */
unsigned begun : 3;     /* attempts are alike, so they begin in one order */
unsigned ended : 3;
bit over;


#include "authority.pml"
#include "statements.pml"
#include "front.pml"
#include "attempt.pml"
#include "erasing.pml"
#include "operator.pml"
#include "faults.pml"

init {
  byte each;
  atomic {
    read_bounds();
    each = 1;
    do
    :: each <= attempts -> run Attempt(each); each++
    :: else -> break
    od;
    if
    :: forgets -> run Operator(); run Erasing(OPERATOR); run Erasing(1)
    :: else
    fi;
    run Faults()
  }
}
