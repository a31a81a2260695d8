/* An operator forgets the record: SqlStore.forget, and Erasing.bring after it; asked again until no copy is left. */

proctype Operator() {
  Row read;
  unsigned before : 2;

end_idle:
  do
  :: over -> break
  :: atomic {
       !over && row.state != NONE && !(row.state == IN_FLIGHT && !row.over) ->
       copied(row, read);
       printf("operator: look: state %d, fence %d\n", read.state, read.fence);
       if
       :: read.state == COMPLETED && !noted && mutant != NOTES_AFTERWARDS
       :: else -> goto turns_it
       fi
     }
     /* the erasure is noted before the record is turned */
     noted = 1;
turns_it:
     atomic {
       as_read();
       if
       :: !AS_IT_WAS_READ || read.state == RELEASED -> cleared(read); goto end_idle
       :: else
       fi;
       row.state = EXPIRED; row.answer = 0; row.taken = 0; row.over = 0; replicated();
       printf("operator: the tombstone is written\n");
       if
       :: read.state == COMPLETED && mutant == NOTES_AFTERWARDS && crashes ->
          crashes--; cleared(read); printf("gateway 0: dies, and another one takes its place\n"); goto end_idle
       :: read.state == COMPLETED && mutant == NOTES_AFTERWARDS -> noted = 1
       :: else
       fi;
       cleared(read);
       if
       :: !noted -> goto heard
       :: else
       fi
     }
brought:
     atomic {
       before = met[OPERATOR];
       if
       :: meets(OPERATOR); erase(OPERATOR)
       :: mutant == SAYS_GONE_UNREACHED -> goto heard
       :: failed = 1; clean[OPERATOR] = NOWHERE; before = 0;
          printf("operator: Redis was not reached\n");
          if
          :: erased_in == NOWHERE -> goto end_idle
          :: else -> goto heard
          fi
       fi;
       printf("operator: erase, in Redis %d\n", met[OPERATOR]);
       if
       :: before != met[OPERATOR] -> goto brought
       :: else
       fi
     }
     atomic {
       erased_in = before; before = 0;
heard:
       printf("operator: forgotten, copies gone\n");
       gone = 1;
       REACHED(copies_gone);
       break
     }
  od
}
