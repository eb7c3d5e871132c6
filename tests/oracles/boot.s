# What a case needs around it to run as a multiboot image: paging at the
# simulator's addresses, descriptor tables, the local APIC, and a way out.
# The harness appends the gates, the case's pages and listings, and symbols:
#   case_pending  vector that is pending at the start, 0 if none
#   case_nmi      1 if an NMI is pending at the start
#   case_timer    vector of the timer, 0 if none
#   case_ticks    its count; case_periodic 0x20000 if it goes on
#   case_entry    first instruction; case_user 1 if it runs at CPL 3
#   case_flags    EFLAGS at the start; case_words number of data words

        .set APIC, 0xfee00000
        .set DEBUG_PORT, 0xe9
        .set EXIT_PORT, 0xf4

        .section .boot, "awx"
        .balign 4
        .long 0x1badb002, 0, -0x1badb002

        .globl boot
boot:   cli
        mov esp, offset boot_stack
        mov eax, offset boot_page_directory
        mov cr3, eax
        mov eax, 0x10           # PSE
        mov cr4, eax
        mov eax, cr0
        or eax, 0x80010000      # PG, WP
        mov cr0, eax
        lgdt [boot_gdt_pointer]
        push 0x60
        push offset boot_reload
        retf
boot_reload:
        mov eax, 0x68
        mov ss, eax
        mov eax, 0x7b
        mov ds, eax
        mov es, eax
        mov eax, offset boot_tss
        mov word ptr [boot_gdt + 0x82], ax
        shr eax, 16
        mov byte ptr [boot_gdt + 0x84], al
        mov eax, 0x80
        ltr ax
        mov ecx, 256
        xor ebx, ebx
boot_fill:   mov eax, offset boot_unexpected
        mov edi, 0x8e00
        call boot_set_gate
        inc ebx
        loop boot_fill
        call boot_set_gates
        lidt [boot_idt_pointer]
        mov al, 0xff            # mask both interrupt controllers
        out 0x21, al
        out 0xa1, al
        mov dword ptr [APIC + 0xf0], 0x1ff
        mov dword ptr [APIC + 0x80], 0
        mov dword ptr [APIC + 0x3e0], 0xb
        mov ecx, 0x174
        mov eax, 0x60
        xor edx, edx
        wrmsr
        mov ecx, 0x175
        mov eax, offset kernel_stack
        wrmsr
        mov eax, case_pending
        test eax, eax
        jz boot_no_irq
        or eax, 0x44000         # self, fixed, assert
        mov dword ptr [APIC + 0x300], eax
boot_no_irq: mov eax, case_timer
        test eax, eax
        jz boot_no_tick
        or eax, case_periodic
        mov dword ptr [APIC + 0x320], eax
        mov dword ptr [APIC + 0x380], case_ticks
boot_no_tick:
        mov eax, case_user
        test eax, eax
        jnz boot_outer
        mov esp, offset kernel_stack
        push case_flags
        push 0x60
        push offset case_entry
        jmp boot_enter
boot_outer:  mov esp, offset kernel_stack
        push 0x7b
        push offset user_stack
        push case_flags
        push 0x73
        push offset case_entry
boot_enter:  mov eax, case_nmi
        test eax, eax
        jz boot_leave
        mov dword ptr [APIC + 0x300], 0x44400
boot_leave:  xor eax, eax
        xor ebx, ebx
        xor ecx, ecx
        xor edx, edx
        xor esi, esi
        xor edi, edi
        xor ebp, ebp
        iretd

# Gate ebx leads to eax with the access word edi.
boot_set_gate:
        mov edx, eax
        and edx, 0xffff
        or edx, 0x600000
        mov dword ptr [boot_idt + ebx*8], edx
        and eax, 0xffff0000
        or eax, edi
        mov dword ptr [boot_idt + ebx*8 + 4], eax
        ret

# The data words go out by the debug port, then the machine ends.
        .globl report
report: mov esi, 0xc0400000
        mov ecx, 4 * case_words
        mov dx, DEBUG_PORT
        jecxz boot_over
boot_send:   mov al, byte ptr [esi]
        out dx, al
        inc esi
        loop boot_send
boot_over:   mov dx, EXIT_PORT
        mov eax, 0x10
        out dx, eax
        hlt
boot_unexpected:
        mov dx, EXIT_PORT
        mov eax, 0x20
        out dx, eax
        hlt

# One sample: the EIP that was saved; as many as case_words says.
        .globl sample
sample: push eax
        push ecx
        push edx
        mov ecx, 4
        mov eax, [esp + 12]
        mov dx, DEBUG_PORT
boot_shift:  out dx, al
        shr eax, 8
        loop boot_shift
        dec dword ptr [boot_samples]
        jz boot_over
        mov dword ptr [APIC + 0xb0], 0
        pop edx
        pop ecx
        pop eax
        iretd

        .balign 16
boot_samples:
        .long case_words
boot_gdt:    .fill 12, 8, 0
        .quad 0x00cf9b000000ffff
        .quad 0x00cf93000000ffff
        .quad 0x00cffb000000ffff
        .quad 0x00cff3000000ffff
        .quad 0x0000890000000067        # the TSS, whose base boot fills in
boot_gdt_pointer:
        .word 17 * 8 - 1
        .long boot_gdt
boot_idt_pointer:
        .word 256 * 8 - 1
        .long boot_idt
        .section .tables, "aw"
        .balign 4096
boot_page_directory:
        .long 0x83
        .fill 31, 4, 0
        .long 0x01800087        # user code
        .fill 223, 4, 0
        .long boot_page_table + 0x7     # the pages of the case
        .fill 510, 4, 0
        .long 0x01c00087        # user stack
        .long 0x01000087        # kernel
        .long 0x01400087        # data words and kernel stack
        .fill 249, 4, 0
        .long 0xfec00093        # 0xfec00000: the local APIC
        .fill 4, 4, 0
boot_idt:    .fill 256, 8, 0
boot_tss:    .long 0, kernel_stack, 0x68
        .fill 23, 4, 0
        .fill 256, 4, 0
boot_stack:
