"""Numbers of the system calls that the sandbox is about, on x86_64 and on aarch64.

Sources: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux. From
424 on a call has the same number everywhere.
"""

from __future__ import annotations

import platform
from functools import lru_cache
from typing import Final

from optifire.core.errors import OptifireError

#: Name, number on x86_64, number on aarch64; ``-`` where a machine has no such call.
_TABLE: Final = """
# programs and processes
fork 57 -, vfork 58 -, clone 56 220, clone3 435 435, execve 59 221, execveat 322 281
# sockets
socket 41 198, socketpair 53 199, bind 49 200, listen 50 201, accept 43 202, accept4 288 242,
connect 42 203, sendto 44 206, sendmsg 46 211, sendmmsg 307 269
# other processes
kill 62 129, tkill 200 130, tgkill 234 131, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240,
pidfd_send_signal 424 424, pidfd_getfd 438 438, ptrace 101 117, process_vm_readv 310 270,
process_vm_writev 311 271, process_madvise 440 440, process_mrelease 448 448, kcmp 312 272,
setpgid 109 154, setsid 112 157, setpriority 141 140, ioprio_set 251 30,
sched_setaffinity 203 122, sched_setattr 314 274, sched_setparam 142 118,
sched_setscheduler 144 119, migrate_pages 256 238, move_pages 279 239, perf_event_open 298 241
# limits, and what a run is watched by
setrlimit 160 164, prlimit64 302 261, prctl 157 167
# memory without a file, and what processes share
memfd_create 319 279, memfd_secret 447 447, userfaultfd 323 282, shmget 29 194, shmat 30 196,
shmctl 31 195, msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187, semget 64 190,
semop 65 193, semtimedop 220 192, semctl 66 191, mq_open 240 180, mq_unlink 241 181,
io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427
# attributes of files, and what goes past paths
chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -, lchown 94 -,
fchown 93 55, fchownat 260 54, setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7,
setxattrat 463 463, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16,
removexattrat 466 466, file_setattr 469 469, name_to_handle_at 303 264,
open_by_handle_at 304 265, inotify_add_watch 254 27, fanotify_init 300 262,
fanotify_mark 301 263, quotactl 179 60, quotactl_fd 443 443, ioctl 16 29
# namespaces and mounts
unshare 272 97, setns 308 268, chroot 161 51, pivot_root 155 41, mount 165 40, umount2 166 39,
mount_setattr 442 442, move_mount 429 429, open_tree 428 428, open_tree_attr 467 467,
fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433
# keys, the kernel, the machine
add_key 248 217, request_key 249 218, keyctl 250 219, bpf 321 280, init_module 175 105,
finit_module 313 273, delete_module 176 106, kexec_load 246 104, kexec_file_load 320 294,
reboot 169 142, syslog 103 116, acct 163 89, swapon 167 224, swapoff 168 225,
sethostname 170 161, setdomainname 171 162, settimeofday 164 170, clock_settime 227 112,
adjtimex 159 171, clock_adjtime 305 266, personality 135 92, vhangup 153 58, iopl 172 -,
ioperm 173 -, modify_ldt 154 -
# what the sandbox itself is laid with
capset 126 91, seccomp 317 277, openat2 437 437, landlock_create_ruleset 444 444,
landlock_add_rule 445 445, landlock_restrict_self 446 446
"""
MACHINES: Final = ("x86_64", "aarch64")
#: The newest number that this table was made with; what is newer is not known here (Linux 6.18).
NEWEST: Final = 469


def numbers(machine: str) -> dict[str, int]:
    """Give the numbers of a machine by name, without the calls that it does not have.

    Raises
    ------
    OptifireError
        For a machine that the table does not cover.
    """
    if machine not in MACHINES:
        raise OptifireError(
            f"no numbers of system calls are known for {machine}",
            where="sandbox",
            remedy=f"Use {' or '.join(MACHINES)}",
        )
    column = 1 + MACHINES.index(machine)
    lines = [line for line in _TABLE.splitlines() if not line.startswith("#")]
    words = " ".join(lines).replace(",", " ").split()
    entries = [words[at : at + 3] for at in range(0, len(words), 3)]
    return {entry[0]: int(entry[column]) for entry in entries if entry[column] != "-"}


@lru_cache(maxsize=1)
def here() -> dict[str, int]:
    """Give the numbers of this machine; raises `OptifireError` where they are not known."""
    return numbers(platform.machine())
