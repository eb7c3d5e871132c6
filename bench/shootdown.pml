/* The shootdown of a deferred update (RFC 2.10), for Spin.
 *
 * DEFER   updates wait in a queue of the processor that makes them
 * SHADOW  the hypervisor caches the guest's entries until it is told
 * FLUSH   processor 0 flushes its queue before it asks
 * DROP    processor 0 drops its own entry before it asks
 * QUESTION  the state asked for
 *
 * Processor 1 has read the page. Processor 0 clears the page's entry and asks
 * processor 1 to drop it, which then reads again. It was written from the
 * RFC and the architecture manual, not from the simulator's source.
 */

bit entry = 1;   /* the guest's entry in memory                 */
bit known = 1;   /* what the hypervisor has of it, with SHADOW  */
bit cached;      /* the TLB of processor 1                      */
bit queued;      /* the update waits in the queue of 0          */
bit ready;
bit asked;
bit page_read;
bit page_fault;

#ifdef SHADOW
#define present known
#else
#define present entry
#endif

inline make_update() { entry = 0; known = 0; queued = 0 }

active proctype initiator()
{
    ready;
#ifdef DEFER
    queued = 1;
#else
    d_step { make_update() };
#endif
#if defined(FLUSH) || defined(DROP)
    d_step { if :: queued -> make_update() :: else fi };
#endif
    asked = 1
}

active proctype receiver()
{
    d_step { present -> cached = 1 };
    ready = 1;
    asked;
    cached = 0;  /* and the queue of processor 1 is empty */
    d_step {
        if
        :: cached || present -> cached = 1; page_read = 1
        :: else -> page_fault = 1
        fi }
}

active proctype question()
{
    d_step { (QUESTION) -> assert(false) }
}
