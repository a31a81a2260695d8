/* Postgres: one row, and the statements of gateway/stores/sql that change it. Each is a compare-and-set, or an insert
   that is unique. `durable` is what a standby has that may be promoted: a commit is acknowledged when it is there. */

#define NONE 0
#define IN_FLIGHT 1
#define UNKNOWN 2
#define COMPLETED 3
#define RELEASED 4
#define EXPIRED 5

typedef Row {
  unsigned state : 3;
  unsigned fence : 3;
  unsigned owner : 3;
  unsigned answer : 2;
  bit taken;            /* taken_over */
  bit over              /* its time is over, by the clock of the authority */
}

Row row;
Row durable;
bit lags;               /* durable is behind */
bit leave = 1;          /* within `takeover` of the first sending */

hidden byte took_effect;        /* whether the last statement took effect */

inline copied(from, to) {
  to.state = from.state; to.fence = from.fence; to.owner = from.owner;
  to.answer = from.answer; to.taken = from.taken; to.over = from.over
}

inline cleared(what) {
  what.state = NONE; what.fence = 0; what.owner = 0; what.answer = 0; what.taken = 0; what.over = 0
}

inline replicated() {
  copied(row, durable); lags = 0
}

#define INSERTS 1
#define GRANTS_AGAIN 2
#define TAKES_OVER 3
#define COMPLETES 4
#define RELEASES 5
#define MARKS 6

typedef Statement {
  unsigned what : 3;
  unsigned state : 3;
  unsigned fence : 3;
  unsigned owner : 3;
  unsigned answer : 2
}

Statement late[MOST + 1];

inline is_late(whose, statement, fence_of, answered) {
  late[whose].what = statement; late[whose].state = of_state; late[whose].fence = fence_of;
  late[whose].owner = of_owner; late[whose].answer = answered
}

/* How a statement ends for whoever issued it. */
#define HEARD 0         /* done, durable, acknowledged */
#define UNHEARD 1       /* done, and the acknowledgement is lost */
#define UNDONE 2        /* nothing was done, and that is not heard either */
#define LATE 3          /* on its way yet, in a server that stands still */

hidden byte end;

inline ends(whose) {
  if
  :: end = HEARD
  :: doubts -> doubts--; end = UNHEARD
  :: doubts -> doubts--; end = UNDONE
  :: doubts && !late[whose].what -> doubts--; end = LATE
  fi
}

/* After a statement that was done. One that changed nothing waits for no standby. */
inline is_committed() {
  if
  :: took_effect && end == HEARD && mutant != FAILOVER_LOSES -> replicated()
  :: else -> lags = lags | took_effect
  fi
}
