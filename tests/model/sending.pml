/* Exchange._send: the deadline, the point of no return, and what is heard of the upstream. */

inline sends() {
  if
  :: DIES
  :: atomic { taking_back -> REACHED(taken_back); settlement = RELEASES; goto settle }
  /* The last look. Too late is NothingSent, and so is a refused connection. */
  :: atomic { !taking_back && (!overdue[me] || mutant == SENDS_WHEN_OVERDUE) -> poised[me] = 1 }
  :: atomic {
       !taking_back && (overdue[me] || silences) ->
       if
       :: overdue[me]
       :: else -> spends(silences)
       fi;
       printf("call %d: NothingSent\n", me);
       settlement = RELEASES;
       goto settle
     }
  fi;
  if
  :: DIES
  :: atomic {
       true ->
       poised[me] = 0;
       if
       :: row.owner != me || !UNDER_LEASE -> REACHED(zombie)
       :: else
       fi;
       is_sent(taken);
       printf("call %d: the first byte has left; execution %d\n", me, answer);
       if
       :: answer -> settlement = COMPLETES; printf("call %d: Answered\n", me)
       :: !answer && !taken ->
          settlement = RELEASES; printf("call %d: Answered, by a status that proves that nothing was executed\n", me)
       :: !answer -> settlement = MARKS; printf("call %d: CallLost\n", me)
       :: answer && silences ->
          spends(silences); settlement = MARKS; printf("call %d: ResponseOverdue, or CallLost\n", me)
       fi;
       if
       :: settlement == MARKS && mutant == RELEASES_ON_SILENCE -> settlement = RELEASES
       :: else
       fi
     }
  fi
}
