/* What befalls them, at any moment: time, the death of a gateway, a failover, a Redis that is lost or another one. */

#define NOBODY_IS_POISED (!poised[1] && !poised[2] && !poised[3] && !poised[4])
#define NOTHING_IS_IN_HAND (!in_hand[1] && !in_hand[2] && !in_hand[3] && !in_hand[4])
#define NOTHING_IS_LATE (!late[1].what && !late[2].what && !late[3].what && !late[4].what)

inline one_of(a, b, c, d) {
  if
  :: a -> i = 1
  :: b -> i = 2
  :: c -> i = 3
  :: d -> i = 4
  fi
}

inline turns() {
  /* sweep: as_of, written down */
  if
  :: row.state == IN_FLIGHT && mutant != PURGES_THE_UNSETTLED -> row.state = UNKNOWN; row.over = 0
  :: (row.state == UNKNOWN && mutant != PURGES_THE_UNSETTLED) || row.state == COMPLETED ->
     row.state = EXPIRED; row.answer = 0; row.taken = 0; row.over = 0
  :: else ->
     row.state = NONE; row.fence = 0; row.owner = 0; row.answer = 0; row.taken = 0; row.over = 0;
     if
     :: mutant != PURGES_THE_UNSETTLED -> is_new_life()
     :: else
     fi;
     REACHED(purged)
  fi;
  replicated()
}

proctype Faults() {
  byte i;
  do
  :: atomic { lapses && row.state == IN_FLIGHT && !row.over ->
       spends(lapses);
       row.over = 1; overdue[row.owner] = 1;
       if
       :: durable.state == IN_FLIGHT && durable.fence == row.fence -> durable.over = 1
       :: else
       fi;
       printf("time: the lease of call %d is over\n", row.owner) }
  :: atomic { ages && row.state > IN_FLIGHT && !row.over && (row.state < RELEASED || NOBODY_IS_POISED) ->
       ages--; row.over = 1;
       if
       :: row.state >= RELEASED -> puts(0, NOTHING, 0, 0); puts(1, NOTHING, 0, 0); older = 0     /* copies have ended */
       :: else
       fi;
       printf("time: a retention is over\n") }
  :: atomic {
       row.over && !lags &&
         (row.state < RELEASED || (NOBODY_IS_POISED && NOTHING_IS_LATE && NOTHING_IS_IN_HAND)) ->
       printf("sweep: state %d\n", row.state); turns() }
  :: atomic { retries && leave && row.state != NONE -> leave = 0; printf("time: the leave to send again is over\n") }
  :: atomic { retries && !leave && remembers && NOBODY_IS_POISED ->
       remembers = 0;
       if
       :: row.state == IN_FLIGHT -> overdue[row.owner] = 1
       :: else
       fi;
       printf("time: the upstream has forgotten the key\n") }
  :: atomic { words && ((row.state == UNKNOWN && !row.over) || (row.state == IN_FLIGHT && row.over)) ->
       words--;
       wrong = wrong || acted || !NOBODY_IS_POISED;
       row.state = RELEASED; row.taken = 0; row.over = 0; replicated();
       printf("operator: release, on their word; wrong %d\n", wrong) }
  :: atomic { failovers && lags ->
       failovers--;
       copied(durable, row); lags = 0;
       /* with the old primary go its connections, and what it was asked */
       of_state = 0; of_owner = 0;
       for (i : 1 .. MOST) { in_hand[i] = 0; is_late(i, 0, 0, 0) }
       i = 0;
       if
       :: row.state != COMPLETED -> kept = 0
       :: else
       fi;
       promoted = 1;
       REACHED(took_over);
       printf("Postgres: a standby is promoted: state %d, fence %d, owner %d\n", row.state, row.fence, row.owner) }
  :: atomic { failovers && lags -> replicated() }
  :: atomic { restarts ->
       restarts--; second = 1;
       if
       :: redis[1].kind = redis[0].kind; redis[1].holds = redis[0].holds; redis[1].by = redis[0].by
       :: older -> puts(1, COPY, older, 0); REACHED(restored)
       :: 1
       fi;
       printf("Redis: another server, kind %d\n", redis[1].kind) }
  :: atomic { evictions && redis[second].kind != NOTHING && (redis[second].kind != GONE || markers) ->
       evictions--; puts(second, NOTHING, 0, 0); printf("Redis: evicts\n") }
  :: atomic { !NOTHING_IS_LATE ->
       one_of(late[1].what, late[2].what, late[3].what, late[4].what);
       REACHED(arrived_late);
       printf("Postgres: a late statement of call %d is done\n", i);
       arrives(i); i = 0 }
  :: atomic { ended == attempts && NOTHING_IS_LATE ->
       /* every grant ends settled or unknown, and by itself where its gateway and Postgres live */
       PROMISED(SETTLED, !(row.state == IN_FLIGHT && !row.over && !crashed[row.owner] && !promoted));
       over = 1; break }
  od
}
