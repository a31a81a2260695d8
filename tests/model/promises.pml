/* What is promised, as assertions; and what was reached, counted. Nothing of this is known to the protocol. */

#define ONCE 1                  /* the upstream executes once at most, save by the policy's leave or an operator's word */
#define SAME_ANSWER 2           /* no answer differs from the first one */
#define UNSENT 3                /* a call that was told 503 has sent nothing, and sends nothing */
#define NOT_EXECUTED 4          /* when "not-executed" is told, no call with the key was executed */
#define SETTLED 5               /* a grant ends settled or unknown, and by itself where its gateway and Postgres live */
#define FORGOTTEN 6             /* what was forgotten is not repeated, once that was heard with copies_gone */
#define COMPLETED_STAYS 7       /* Completed never changes (law 6) */
#define LEAVE 8                 /* sent again only while the upstream recognises the key */
#define WORD 9                  /* a waiter that has word of a call's end is not told that it is in flight */
#define REFILL 10               /* a copy written after its record was forgotten does not outlast its writer */

/* `only`: of a mutant it is asked whether it breaks the very promise that it is aimed at. */
#define PROMISED(which, holds) assert((only && only != which) || (holds))

unsigned plain : 2;     /* executions of grants that were nobody's leave */
unsigned executed : 2;  /* executions: an upstream that remembers a key does not execute it again */
unsigned bygone : 2;    /* executions before this record's life */
bit acted;              /* there was one in the life of this record */
bit promoted;           /* a standby was: what was not acknowledged may be gone */
bit wrong;              /* an operator said "not executed", and it was, or could be yet */
unsigned first : 2;     /* the first answer that anybody was told */
unsigned kept : 2;      /* the answer that the authority completed first */
bit remembers = 1;      /* the upstream recognises the key */
bit gone;               /* a forgetting was heard, its copies gone too */

c_decl {
  enum {
    replayed_by_front, replayed_by_authority, late_answer, taken_over, returned_to_unknown, unsent_with_row, confirmed,
    busy_by_hint, word_before_hint, taken_back, moved_on, zombie, refused_keep, copies_gone, restored, second_look,
    took_over, purged, arrived_late, crashed_in_flight, unavailable, waited, reaches
  };
  static const char *names[] = {
    "replayed by the front", "replayed by the authority", "late answer settles an unknown", "taken over",
    "a take-over's release leads back to unknown", "503 with the row existing", "an ambiguous commit confirmed",
    "busy by a hint", "a waiter looks past a hint", "a grant taken back", "a settlement finds that the record moved on",
    "sent after its lease", "a copy refused by a marker", "copies gone", "a copy in a restored Redis",
    "a refill takes its copy back", "a standby promoted", "a record purged", "a statement done late",
    "died in flight", "503, store unavailable", "a waiter hears the answer"
  };
  static unsigned long times_reached[reaches];
  static void tell_reached(void) {
    for (int each = 0; each < reaches; each++) printf("reached: %s: %lu\n", names[each], times_reached[each]);
  }
}

#define REACHED(what) c_code { times_reached[what]++; }

/* One execution, or none: the first byte has left. */
inline is_sent(again) {
  PROMISED(UNSENT, !told);
  sent = 1;
  if
  :: silences -> spends(silences); answer = 0
  :: true ->
     if
     :: again -> PROMISED(LEAVE, remembers)
     :: else -> PROMISED(ONCE, plain < 1 + wrong); plain++
     fi;
     if
     :: retries && remembers && executed
     :: else -> executed++
     fi;
     acted = 1;
     answer = executed
  fi
}

/* The answer of an execution, in a reply. */
inline tells(a) {
  PROMISED(SAME_ANSWER, wrong || !first || first == a || a <= bygone);
  if
  :: !first && a > bygone -> first = a
  :: else
  fi
}

/* What is repeated is of this life. */
#define REPEATABLE(a) PROMISED(SAME_ANSWER, wrong || a > bygone)

/* Law 6. */
inline is_kept(a) {
  PROMISED(COMPLETED_STAYS, !kept || kept == a);
  kept = a
}

/* What is promised of a key ends with its record. */
inline is_new_life() {
  bygone = executed; plain = 0; acted = 0; wrong = 0; first = 0; kept = 0; gone = 0
}
