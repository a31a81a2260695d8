/* How much of each thing may happen in one history. A world (worlds.py) sets it, by the environment of the program that
   Spin makes. */

#define MOST 4          /* attempts, at the most */
#define OPERATOR 0      /* the operator's gateway: it makes no calls */

hidden byte mutant;     /* which mutant is at work; 0: none */
hidden byte only;       /* the one promise that is asked about; 0: all */
hidden byte attempts;   /* calls with the key */
hidden byte fronts;      /* there is a Redis in front */
hidden byte split;       /* gateways may see different Redis servers at one time */
hidden byte retries;     /* on_unknown: retry */
hidden byte waits;       /* on_conflict: wait */
hidden byte forgets;     /* an operator forgets the record */

#define MANY 7          /* as many as there can be */

inline spends(some) {
  if
  :: some != MANY -> some--
  :: else
  fi
}

unsigned silences : 3;  /* calls that the upstream refuses, turns away, or does not answer in time */
unsigned lapses : 3;    /* leases that end */
unsigned doubts : 3;    /* statements whose end is not heard */
unsigned crashes : 2;   /* gateways that die */
unsigned failovers : 1; /* a standby of Postgres takes over */
unsigned ages : 3;      /* ends of a retention */
unsigned words : 1;     /* an operator's "it was not executed" */
unsigned restarts : 1;  /* another Redis takes the place of the first one: empty, or with something old in it */
unsigned evictions : 2; /* what Redis forgets by itself */
hidden byte markers;     /* and markers of erasures among it */

c_decl {
  static int bound(const char *name) {
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
  }
}

inline read_bounds() {
  c_code {
    if (!readtrail) atexit(tell_reached);
    mutant = bound("MUTANT");
    only = bound("ONLY");
    attempts = bound("ATTEMPTS");
    fronts = bound("FRONTS");
    split = bound("SPLIT");
    retries = bound("RETRIES");
    waits = bound("WAITS");
    forgets = bound("FORGETS");
    markers = bound("MARKERS");
    now.silences = bound("SILENCES");
    now.lapses = bound("LAPSES");
    now.doubts = bound("DOUBTS");
    now.crashes = bound("CRASHES");
    now.failovers = bound("FAILOVERS");
    now.ages = bound("AGES");
    now.words = bound("WORDS");
    now.restarts = bound("RESTARTS");
    now.evictions = bound("EVICTIONS");
  }
}
