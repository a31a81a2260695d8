/* The statements of gateway/stores/sql/statements.py, by their names: each changes the row or does not, in one step. */

inline written(new_owner, new_fence, again) {
  row.state = IN_FLIGHT; row.fence = new_fence; row.owner = new_owner; row.answer = 0; row.taken = again; row.over = 0;
  took_effect = 1
}

inline FIRST_GRANT(i) {
  took_effect = 0;
  if
  :: row.state == NONE || mutant == CHECK_THEN_ACT -> written(i, 1, 0)
  :: else
  fi
}

/* What a compare-and-set compares: the parameters of a statement, only while it is performed. */
hidden byte of_state;
hidden byte of_fence;
hidden byte of_owner;
hidden byte new_answer;

#define AS_IT_WAS_READ (row.state == of_state && row.fence == of_fence && row.owner == of_owner)

inline as_read() {
  of_state = read.state; of_fence = read.fence; of_owner = read.owner
}

inline GRANT_AGAIN(i) {
  took_effect = 0;
  if
  :: AS_IT_WAS_READ ->
     if
     :: row.over && mutant != TAKES_OVER_LEASES -> is_new_life()
     :: else
     fi;
     written(i, of_fence + 1, 0)
  :: else
  fi
}

/* Changes nothing, and is acknowledged: what was read is as durable as this. */
inline CONFIRM() {
  if
  :: AS_IT_WAS_READ && end == HEARD -> replicated(); took_effect = 1; REACHED(confirmed)
  :: AS_IT_WAS_READ && end == UNHEARD -> took_effect = 1
  :: else
  fi
}

inline TAKE_OVER(i) {
  took_effect = 0;
  if
  :: AS_IT_WAS_READ && (leave || mutant == LEAVE_BY_AN_OLD_CLOCK) ->
     written(i, of_fence + 1, 1); REACHED(taken_over)
  :: else
  fi
}

#define GRANT_IS_NEWEST(i, f) (row.fence == f && (row.owner == i || mutant == SETTLES_WITHOUT_OWNER))
#define OPEN (row.state == IN_FLIGHT || (row.state == UNKNOWN && !row.over))
#define UNDER_LEASE (row.state == IN_FLIGHT && !row.over)

inline COMPLETE(i, f, a) {
  took_effect = 0;
  if
  :: (GRANT_IS_NEWEST(i, f) && OPEN) || (mutant == COMPLETES_UNFENCED && row.state != NONE) ->
     if
     :: row.state == UNKNOWN || row.over -> REACHED(late_answer)
     :: else
     fi;
     is_kept(a);
     row.state = COMPLETED; row.answer = a; row.taken = 0; row.over = 0;
     took_effect = 1
  :: else
  fi
}

inline RELEASE(i, f) {
  took_effect = 0;
  if
  :: GRANT_IS_NEWEST(i, f) && OPEN && (!row.taken || mutant == RELEASES_A_TAKEOVER) ->
     row.state = RELEASED; row.taken = 0; row.over = 0;
     took_effect = 1
  :: GRANT_IS_NEWEST(i, f) && UNDER_LEASE && row.taken && mutant != RELEASES_A_TAKEOVER ->
     REACHED(returned_to_unknown);
     row.state = UNKNOWN;
     took_effect = 1
  :: else
  fi
}

inline MARK_UNKNOWN(i, f) {
  took_effect = 0;
  if
  :: GRANT_IS_NEWEST(i, f) && UNDER_LEASE -> row.state = UNKNOWN; took_effect = 1
  :: else
  fi
}

/* The server goes on: what it was asked long ago is done now, or not any more. */
inline arrives(late_one) {
  of_state = late[late_one].state; of_fence = late[late_one].fence; of_owner = late[late_one].owner;
  new_answer = late[late_one].answer;
  if
  :: late[late_one].what == INSERTS -> FIRST_GRANT(late_one)
  :: late[late_one].what == GRANTS_AGAIN -> GRANT_AGAIN(late_one)
  :: late[late_one].what == TAKES_OVER -> TAKE_OVER(late_one)
  :: late[late_one].what == COMPLETES -> COMPLETE(late_one, of_fence, new_answer)
  :: late[late_one].what == RELEASES -> RELEASE(late_one, of_fence)
  :: late[late_one].what == MARKS -> MARK_UNKNOWN(late_one, of_fence)
  fi;
  of_state = 0; of_owner = 0;
  is_late(late_one, 0, 0, 0);
  lags = lags | took_effect
}
