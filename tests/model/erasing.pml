/* stores/erasing.py at one gateway: what the authority noted goes to the front that answers now, and then that one may
   be believed. With a Redis that is back, with one that is another, and with each sweep. */

bit failed;             /* Erasing._failed has grown, at the operator's gateway */

proctype Erasing(byte g) {
  unsigned incarnation : 2;
  unsigned before : 2;

end_idle:
  do
  :: over || crashed[g] -> break
  :: atomic {
       !over && !crashed[g] && (clean[g] != met[g] || (noted && erased_in != met[g])) ->
       /* Erasing.bring_all */
       incarnation = met[g];
       if
       :: g == OPERATOR -> failed = 0
       :: else
       fi;
looks:
       if
       :: noted && erased_in != incarnation
       :: else ->
          if
          :: g != OPERATOR || !failed ->
             clean[g] = incarnation;
             printf("gateway %d: believes Redis %d, which has heard of every erasure\n", g, incarnation)
          :: else
          fi;
          incarnation = 0; before = 0;
          goto end_idle
       fi
     }
brought:
     atomic {
       before = met[g];
       if
       :: incarnation = 0; before = 0; goto end_idle        /* not reached */
       :: meets(g); erase(g)
       fi;
       printf("gateway %d: erase, in Redis %d\n", g, met[g]);
       if
       :: before != met[g] -> goto brought
       :: else
       fi
     }
     atomic {
       erased_in = before;
       printf("gateway %d: note_erased, in Redis %d\n", g, before);
       if
       :: before == incarnation -> goto looks
       :: else -> incarnation = 0; before = 0
       fi
     }
  od
}
