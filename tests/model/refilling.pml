/* A verdict Replay of the authority, and TieredStore._refilled after it: a look, the copy, and a look again. */

inline refills() {
  atomic {
    printf("call %d: replayed: answer %d\n", me, read.answer);
    answer = read.answer;
    cleared(read);
    REACHED(replayed_by_authority);
    if
    :: watching -> REACHED(waited)
    :: else
    fi;
    if
    :: taking_back -> goto at_end
    :: else -> tells(answer)
    fi;
    if
    :: fronts && row.state == COMPLETED && !row.over -> on_time = 1
    :: goto at_end
    fi
  }
  if
  :: DIES
  :: atomic {
    if
    :: meets(me); came_late = (row.state != COMPLETED); keep(me, answer);
       printf("call %d: refill: keep, in Redis %d\n", me, met[me])
    :: on_time = 0
    fi
  }
  fi;
  atomic {
    if
    :: row.state == COMPLETED -> goto at_end
    :: row.state != COMPLETED && mutant == REFILLS_WITHOUT_A_SECOND_LOOK
    :: else ->
       if
       :: meets(me); drop(me); REACHED(second_look); printf("call %d: refill: drop, in Redis %d\n", me, met[me])
       :: on_time = 0
       fi
    fi;
    /* a copy that was written after its record was forgotten does not outlast its writer */
    PROMISED(REFILL, !(on_time && came_late && redis[met[me]].kind == COPY && redis[met[me]].by == me))
  }
}
