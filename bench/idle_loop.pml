/* The idle loop of the flagship question, for Spin.
 *
 * INTERRUPTS  how many interrupts the device may raise
 * SHADOW      STI holds interrupts off for one more instruction
 * SAFE_HALT   enabling and halting are one step (VMI_Halt)
 * QUESTION    the state asked for
 *
 * A step of the processor, an arrival and a delivery are one transition
 * each, as in the simulator, and so are the guards between them. It was
 * written from the architecture manual, not from the simulator's source.
 */

#define IDLE    0  /* cli                                 */
#define COMPARE 1  /* cmp  dword ptr [work], 0            */
#define BRANCH  2  /* jne  busy                           */
#define ENABLE  3  /* sti                                 */
#define HALT    4  /* hlt, or VMI_Halt where SAFE_HALT    */
#define AGAIN   5  /* jmp  idle                           */
#define BUSY    6  /* dec  dword ptr [work]               */
#define OPEN    7  /* sti                                 */
#define REPEAT  8  /* jmp  idle                           */
#define HANDLER 9  /* inc  dword ptr [work]               */
#define RETURN 10  /* iretd                               */

byte pc = IDLE;
byte saved_pc;
byte work;
byte budget = INTERRUPTS;
bit interrupts = 1;
bit zero;
bit saved_zero;
bit shadow;
bit halted;
bit pending;

#define deliverable (pending && interrupts && !shadow)
#define runs (!halted && !deliverable)

#ifdef SHADOW
#define sti shadow = !interrupts; interrupts = 1
#else
#define sti shadow = 0; interrupts = 1
#endif

active proctype device()
{
    do
    :: d_step { budget > 0 -> pending = 1; budget-- }
    od
}

active proctype processor()
{
    do
    :: d_step { deliverable ->
        pending = 0; halted = 0; interrupts = 0;
        saved_pc = pc; saved_zero = zero; pc = HANDLER }
    :: d_step { runs && pc == IDLE ->
        interrupts = 0; shadow = 0; pc = COMPARE }
    :: d_step { runs && pc == COMPARE ->
        zero = (work == 0); shadow = 0; pc = BRANCH }
    :: d_step { runs && pc == BRANCH ->
        shadow = 0;
        if
        :: !zero -> pc = BUSY
        :: else ->
#ifdef SAFE_HALT
            pc = HALT
#else
            pc = ENABLE
#endif
        fi }
    :: d_step { runs && pc == ENABLE -> sti; pc = HALT }
    :: d_step { runs && pc == HALT ->
#ifdef SAFE_HALT
        interrupts = 1;
#endif
        shadow = 0; halted = 1; pc = AGAIN }
    :: d_step { runs && pc == AGAIN -> shadow = 0; pc = IDLE }
    :: d_step { runs && pc == BUSY ->
        work--; zero = (work == 0); shadow = 0; pc = OPEN }
    :: d_step { runs && pc == OPEN -> sti; pc = REPEAT }
    :: d_step { runs && pc == REPEAT -> shadow = 0; pc = IDLE }
    :: d_step { runs && pc == HANDLER ->
        work++; zero = (work == 0); shadow = 0; pc = RETURN }
    :: d_step { runs && pc == RETURN ->
        pc = saved_pc; zero = saved_zero; interrupts = 1;
        saved_pc = 0; saved_zero = 0; shadow = 0 }
    od
}

active proctype question()
{
    d_step { (QUESTION) -> assert(false) }
}
