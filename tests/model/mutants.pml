/* What somebody might write instead. Each must fail; the number is MUTANT in the environment. */

#define CHECK_THEN_ACT 1                /* a look and then an insert, instead of the unique insert */
#define DOUBT_IS_A_GRANT 2              /* an ambiguous commit is taken as success */
#define READING_IS_PROOF 3              /* a row that is read is taken as durable, without CONFIRM */
#define DOUBT_IS_DELETED 4              /* an ambiguous commit is cleaned up by a delete */
#define TAKES_OVER_LEASES 5             /* whose lease is over is free */
#define RELEASES_ON_SILENCE 6           /* a time-out releases */
#define PURGES_THE_UNSETTLED 7          /* the sweep removes what is not settled */
#define FAILOVER_LOSES 8                /* a standby is promoted that lacks acknowledged commits */
#define REDIS_GRANTS 9                  /* the claim is made in Redis, and in Postgres when Redis fails */
#define HINT_IS_A_GRANT 10              /* a waiter that has word takes the key over on a hint's word */
#define HINT_OUTLIVES_ITS_CALL 11       /* a hint is believed where somebody has word */
#define COMPLETES_UNFENCED 12           /* a late completion compares neither fence nor owner */
#define SETTLES_WITHOUT_OWNER 13        /* a settlement compares the fence alone */
#define REFILLS_WITHOUT_A_SECOND_LOOK 14 /* a copy is written, and the record not looked at again */
#define KEEPS_OVER_A_MARKER 15          /* a copy may take the place of an erasure's marker */
#define BELIEVES_A_STRANGER 16          /* a Redis is believed before it has heard of every erasure */
#define SAYS_GONE_UNREACHED 17          /* copies are said to be gone though Redis was not reached */
#define NOTES_AFTERWARDS 18             /* the erasure is noted after the record was turned */
#define RELEASES_A_TAKEOVER 19          /* the release of a take-over frees the key */
#define LEAVE_BY_AN_OLD_CLOCK 20        /* the leave to send again is not looked at when the grant is written */
#define SENDS_WHEN_OVERDUE 21           /* the deadline is not looked at before the first byte */
#define LEAVES_DOUBTED_GRANTS 22        /* a grant whose caller was told 503 is not taken back */
#define TAKING_BACK_BELIEVES_HINTS 23   /* a hint of another call ends the taking back */
#define UNWRITTEN_RELEASE_IS_TOLD 24    /* "not executed" is said before the release is written */
