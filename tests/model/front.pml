/* Redis: one place for the copy, and the trips of ports.Front. Any trip may fail. Two servers: the second one takes the
   first one's place, and holds what that held, something older, or nothing; it is another incarnation. */

#define NOTHING 0
#define COPY 1
#define HINT 2
#define GONE 3

#define NOWHERE 2       /* an incarnation that is none */

typedef Place {
  unsigned kind : 2;
  unsigned holds : 3;    /* the answer, or the hint's owner */
  unsigned by : 3       /* whose write it was; no part of what is there */
}

Place redis[2];
unsigned older : 2;     /* an answer whose copy an old dump may hold */
bit second;             /* the second server took over */

bit met[MOST + 1];      /* Front.incarnation, by gateway */
byte clean[MOST + 1];    /* Erasing._clean, by gateway */

/* The erasure that the authority notes, and where it was done. */
bit noted;
unsigned erased_in : 2 = NOWHERE;

/* Every trip meets the server that the gateway sees. */
inline meets(g) {
  if
  :: met[g] = second
  :: split && second -> met[g] = 0
  fi
}

#define IS_DUE(g) (clean[g] != met[g] && forgets && mutant != BELIEVES_A_STRANGER)

inline puts(s, k, o, i) {
  redis[s].kind = k; redis[s].holds = o; redis[s].by = i
}

inline keep(g, a) {
  if
  :: redis[met[g]].kind == GONE && mutant != KEEPS_OVER_A_MARKER -> REACHED(refused_keep)
  :: a <= bygone        /* it would have ended by now (F3) */
  :: else -> puts(met[g], COPY, a, g); older = a
  fi
}

inline hint(g, o) {
  if
  :: redis[met[g]].kind == NOTHING -> puts(met[g], HINT, o, g)
  :: else
  fi
}

inline drop(g) {
  if
  :: redis[met[g]].kind == GONE
  :: else -> puts(met[g], NOTHING, 0, 0)
  fi
}

inline erase(g) {
  puts(met[g], GONE, 0, 0)
}
