/* TieredStore.claim, and under it stores/sql/claiming.py: a look in front, the insert, the SELECT of its own, and the
   compare-and-set that the judgement asks for. */

/* TieredStore._believed */
#define BELIEVED ((!watching || mutant == HINT_OUTLIVES_ITS_CALL) \
  && ((redis[met[me]].holds != me && !doubted) || mutant == TAKING_BACK_BELIEVES_HINTS))

#define OWN (read.state == IN_FLIGHT && read.owner == me && !read.over)
#define FREE (read.state == RELEASED || (read.state == EXPIRED && read.over))
#define IS_UNKNOWN ((read.state == IN_FLIGHT && read.over) || (read.state == UNKNOWN && !read.over))
#define WITHIN_LEAVE (retries && (leave || mutant == LEAVE_BY_AN_OLD_CLOCK))

/* TieredStore._repeated; what the front says that is no plain repetition is for the authority to tell. */
inline recall() {
  meets(me);
  if
  :: redis[met[me]].kind == COPY && !IS_DUE(me) ->
     printf("call %d: recall: a copy of answer %d, so replayed\n", me, redis[met[me]].holds);
     PROMISED(FORGOTTEN, !gone);
     REACHED(replayed_by_front);
     if
     :: taking_back
     :: else -> REPEATABLE(redis[met[me]].holds); tells(redis[met[me]].holds)
     fi;
     goto at_end
  :: redis[met[me]].kind == HINT && mutant == HINT_IS_A_GRANT && watching -> fence = 1; goto granted
  :: redis[met[me]].kind == HINT && BELIEVED ->
     printf("call %d: recall: the hint of call %d, so busy\n", me, redis[met[me]].holds);
     PROMISED(WORD, !watching || UNDER_LEASE);
     REACHED(busy_by_hint);
     goto at_end
  :: redis[met[me]].kind == NOTHING && mutant == REDIS_GRANTS -> puts(met[me], HINT, me, me); fence = 1; goto granted
  :: else ->
     if
     :: redis[met[me]].kind == HINT && watching -> REACHED(word_before_hint)
     :: else
     fi
  fi
}

/* protocol/claims.judge */
inline judge() {
  copied(row, read);
  in_hand[me] = 1;
  printf("call %d: LOSERS: state %d, fence %d, of call %d, over %d\n",
    me, read.state, read.fence, read.owner, read.over);
  if
  :: read.state == NONE -> in_hand[me] = 0; goto insert
  :: OWN || FREE || (IS_UNKNOWN && (WITHIN_LEAVE || mutant == TAKES_OVER_LEASES))
  :: read.state == IN_FLIGHT && read.owner != me && !read.over -> in_hand[me] = 0; goto busy
  :: read.state == COMPLETED && !read.over ->
     REPEATABLE(read.answer);
     in_hand[me] = 0;
     goto replay
  :: else -> printf("call %d: undecided, or the key has expired\n", me); goto at_end
  fi
}

/* TieredStore.claim begins with a look in front, where there is one. */
inline asks() {
  if
  :: fronts -> goto claim
  :: else -> goto insert
  fi
}

/* Another call is in flight: its hint goes in front, and nobody waits for that. */
inline turned_away() {
  if
  :: fronts -> of_owner = read.owner; meets(me); hint(me, of_owner)
  :: true
  fi;
  cleared(read);
  if
  :: waits && !taking_back -> watching = 1; printf("call %d: busy, waits\n", me); asks()
  :: printf("call %d: busy\n", me); goto at_end
  fi
}

/* The verdict Granted, written; for a repeated claim confirmed. */
inline granted_over() {
  if
  :: in_hand[me] -> ends(me)
  :: else -> end = UNDONE    /* the connection went with the old primary */
  fi;
  in_hand[me] = 0;
  as_read();
  took_effect = 0;
  if
  :: OWN && mutant == READING_IS_PROOF -> end = HEARD; took_effect = 1; fence = read.fence; taken = read.taken
  :: OWN && mutant != READING_IS_PROOF ->
     CONFIRM();
     fence = read.fence; taken = read.taken;
     printf("call %d: CONFIRM: %d\n", me, took_effect)
  :: !OWN && (FREE || mutant == TAKES_OVER_LEASES) ->
     if
     :: end == LATE -> is_late(me, GRANTS_AGAIN, of_fence, 0)
     :: end < UNDONE -> GRANT_AGAIN(me); is_committed()
     :: else
     fi;
     fence = read.fence + 1;
     printf("call %d: GRANT_AGAIN: fence %d, written %d, ended %d\n", me, fence, took_effect, end)
  :: else ->
     if
     :: end == LATE -> is_late(me, TAKES_OVER, of_fence, 0)
     :: end < UNDONE -> TAKE_OVER(me); is_committed()
     :: else
     fi;
     fence = read.fence + 1; taken = 1;
     printf("call %d: TAKE_OVER: fence %d, written %d, ended %d\n", me, fence, took_effect, end)
  fi;
  cleared(read);
  if
  :: end == HEARD && took_effect -> goto granted
  :: else -> fence = 0; taken = 0
  fi
}

/* GroupCommit: the same statement again, by the same owner; or StoreDown, 503, and TakingBack.begin. */
inline doubts_it() {
  doubted = 1;
  if
  :: mutant == DOUBT_IS_A_GRANT -> fence = 1; goto granted
  :: mutant == DOUBT_IS_DELETED -> row.state = NONE; row.fence = 0; row.owner = 0; replicated()
  :: else
  fi;
  if
  :: goto insert
  :: !taking_back ->
     PROMISED(UNSENT, !sent); told = 1; taking_back = 1;
     printf("call %d: told 503 store-unavailable\n", me);
     REACHED(unavailable);
     if
     :: row.state == IN_FLIGHT && row.owner == me -> REACHED(unsent_with_row)
     :: else
     fi;
     if
     :: mutant == LEAVES_DOUBTED_GRANTS -> goto at_end
     :: else -> asks()
     fi
  fi
}

inline claims() {
  if
  :: DIES
  :: atomic {
       recall();
       goto insert
     }
  :: true                     /* skipped, slow or down */
  fi;
insert:
  if
  :: DIES
  :: atomic {
       mutant != CHECK_THEN_ACT || row.state == NONE ->
act:
       ends(me);
       of_state = 0; of_owner = 0; took_effect = 0;
       if
       :: end == LATE -> is_late(me, INSERTS, 0, 0)
       :: end < UNDONE -> FIRST_GRANT(me); is_committed()
       :: else
       fi;
       printf("call %d: FIRST_GRANT: written %d, ended %d\n", me, took_effect, end);
       if
       :: end == HEARD && took_effect -> fence = 1; goto granted
       :: end == HEARD && !took_effect
       :: else -> doubts_it()
       fi
     }
  :: atomic { mutant == CHECK_THEN_ACT && row.state != NONE }
  :: mutant == CHECK_THEN_ACT && row.state == NONE -> goto act
  fi;
  atomic { judge() }
  atomic {
    granted_over();
    if
    :: end == HEARD -> goto insert
    :: else -> doubts_it()
    fi
  }
busy:
  atomic { turned_away() }
}
