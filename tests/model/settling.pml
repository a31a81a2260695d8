/* Settle: stores/sql/settling.py, issued until it is written; what the caller is told; TieredStore.settle after it. */

inline tell_end(certain) {
  if
  :: !replied && !taking_back ->
     replied = 1;
     if
     :: settlement == COMPLETES -> tells(answer)
     :: settlement == RELEASES && !taken && (certain || mutant == UNWRITTEN_RELEASE_IS_TOLD) ->
        told = !sent;
        printf("call %d: told not-executed\n", me);
        /* no call with this key has been executed */
        PROMISED(NOT_EXECUTED, wrong || (certain && none_executed) || !acted)
     :: else
     fi
  :: else
  fi
}

inline is_settled() {
  none_executed = !acted;
  tell_end(true);
  if
  :: settlement == MARKS && answer -> settlement = COMPLETES; printf("call %d: Answered, late\n", me); goto settle
  :: else ->
     if
     :: fronts -> goto copies
     :: goto at_end             /* skipped, slow or down */
     fi
  fi
}

/* What no update took effect for: it is so already, and that as durably as any commit; or the record has Moved. */
#define ALREADY_SO (row.fence == fence && row.owner == me && ( \
  (settlement == COMPLETES && row.state == COMPLETED) || (settlement == RELEASES && row.state == RELEASED) || \
  (settlement != COMPLETES && row.state == UNKNOWN && !row.over)))

inline settles() {
  if
  :: DIES
  :: atomic {
       true ->
       ends(me);
       took_effect = 0; of_state = 0; of_owner = 0;
       if
       :: end == LATE -> is_late(me, settlement, fence, answer)
       :: end < UNDONE && settlement == RELEASES -> RELEASE(me, fence); is_committed()
       :: end < UNDONE && settlement == COMPLETES -> COMPLETE(me, fence, answer); is_committed()
       :: end < UNDONE && settlement == MARKS -> MARK_UNKNOWN(me, fence); is_committed()
       :: else
       fi;
       printf("call %d: settle (4 complete, 5 release, 6 mark unknown) %d: written %d, ended %d\n",
         me, settlement, took_effect, end);
       if
       :: end == HEARD && took_effect -> is_settled()
       :: end == HEARD && !took_effect
       :: else ->
          /* SettlementOverdue: the caller is told, and writing goes on */
          if
          :: tell_end(false)
          :: true
          fi;
          goto settle
       fi
     }
  fi;
  atomic {
    if
    :: ALREADY_SO -> replicated(); is_settled()
    :: !ALREADY_SO && GRANT_IS_NEWEST(me, fence) && OPEN -> goto settle
    :: else ->
       REACHED(moved_on);
       printf("call %d: Moved\n", me);
       if
       :: settlement == COMPLETES && !replied && !taking_back -> tells(answer)
       :: else
       fi;
       goto at_end
    fi
  }
/* TieredStore.settle: a copy follows, or what is there goes. */
copies:
  if
  :: DIES
  :: atomic { settlement == COMPLETES ->
       meets(me); keep(me, answer); printf("call %d: keep, in Redis %d\n", me, met[me]); goto at_end }
  :: atomic { settlement != COMPLETES ->
       meets(me); drop(me); printf("call %d: drop, in Redis %d\n", me, met[me]); goto at_end }
  fi
}
