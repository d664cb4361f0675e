"""Which system calls a sandboxed run is refused, and on what arguments the answer depends.

What files it may open is Landlock's matter. Here is refused what Landlock does not see: processes,
sockets that are not TCP, attributes of files, limits, memory without a file, and all that asks
more of the kernel than a calculation needs.
"""

from __future__ import annotations

import errno
import resource
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: All bits of the word that is compared.
WORD: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Check:
    """One argument compared: its low 32 bits under a mask equal a value, or do not.

    ``high`` compares its upper 32 bits instead. ``value`` None is the process's own number.
    """

    argument: int
    value: int | None
    mask: int = WORD
    equal: bool = True
    high: bool = False


#: All checks of one of these hold: the call is let through.
Alternatives = tuple[tuple[Check, ...], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of one system call: an error, unless one of the alternatives holds."""

    error: int = errno.EPERM
    unless: Alternatives = ()


@dataclass(frozen=True, slots=True)
class Openings:
    """What a run is granted of all this.

    Attributes
    ----------
    subprocess
        It may start other programs.
    connect
        It may connect by TCP; to which ports is Landlock's matter, without which this is False.
    scoped
        Landlock keeps its signals among its own processes.
    """

    subprocess: bool = False
    connect: bool = False
    scoped: bool = False


# Values of linux/sched.h, linux/prctl.h, linux/socket.h, asm-generic/ioctls.h.
_CLONE_THREAD: Final = 0x0001_0000
_CLONE_NAMESPACES: Final = 0x7E02_0080
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_TYPE_MASK: Final = 0xF
_MSG_FASTOPEN: Final = 0x2000_0000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_NEVER: Final = """
bind listen accept accept4
pidfd_getfd ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp
migrate_pages move_pages perf_event_open
memfd_create memfd_secret userfaultfd shmget shmat shmctl msgget msgsnd msgrcv msgctl
semget semop semtimedop semctl mq_open mq_unlink io_uring_setup io_uring_enter io_uring_register
chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat setxattr lsetxattr fsetxattr
setxattrat removexattr lremovexattr fremovexattr removexattrat file_setattr
name_to_handle_at open_by_handle_at inotify_add_watch fanotify_init fanotify_mark
quotactl quotactl_fd unshare setns chroot pivot_root mount umount2 mount_setattr move_mount
open_tree open_tree_attr fsopen fsconfig fsmount fspick add_key request_key keyctl bpf
init_module finit_module delete_module kexec_load kexec_file_load reboot syslog acct
swapon swapoff sethostname setdomainname settimeofday clock_settime adjtimex clock_adjtime
personality vhangup iopl ioperm modify_ldt
"""
_OWN: Final = (Check(0, None),)
_SELF: Final = (Check(0, 0),)
#: Calls whose first argument is a process, 0 meaning oneself.
_ON_PROCESS: Final = ("sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler")
#: Calls that send a signal to the process of their first argument. 0 is a group, and not allowed.
_SIGNALS: Final = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
#: Growing into what was granted from the start, when numpy is imported late (see `limits`).
_DATA_LIMIT: Final = (Check(0, 0), Check(1, resource.RLIMIT_DATA))
_ONLY_ASKS: Final = (Check(2, 0), Check(2, 0, high=True))


def rules(openings: Openings) -> Mapping[str, Rule]:
    """Give the rule of each system call that is not simply let through."""
    made = {name: Rule() for name in _NEVER.split()}
    # What glibc tries first to start a thread; told that there is none it takes clone instead.
    made["clone3"] = Rule(errno.ENOSYS)
    # A datagram socket of a pair can be connected anew, to any path; a stream cannot.
    stream = Check(1, socket.SOCK_STREAM, mask=_TYPE_MASK)
    made["socketpair"] = Rule(unless=((Check(0, socket.AF_UNIX), stream),))
    made |= {name: Rule(unless=(_OWN, _SELF)) for name in _ON_PROCESS}
    made["setpriority"] = Rule(unless=((Check(0, 0), Check(1, 0)), (Check(0, 0), Check(1, None))))
    made["ioprio_set"] = Rule(unless=((Check(0, 1), Check(1, 0)), (Check(0, 1), Check(1, None))))
    made["setrlimit"] = Rule(unless=((Check(0, resource.RLIMIT_DATA),),))
    made["prlimit64"] = Rule(unless=(_ONLY_ASKS, _DATA_LIMIT))
    kept = [Check(0, each, equal=False) for each in (_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER)]
    made["prctl"] = Rule(unless=(tuple(kept),))
    typed = [Check(1, each, equal=False) for each in (_TIOCSTI, _TIOCLINUX)]
    made["ioctl"] = Rule(unless=(tuple(typed),))
    return made | _processes(openings) | _network(openings)


def _processes(openings: Openings) -> dict[str, Rule]:
    """Give the rules of what starts processes and of what reaches others."""
    made = {name: Rule(unless=(_OWN,)) for name in _SIGNALS}
    made["pidfd_send_signal"] = Rule()
    if not openings.subprocess:
        thread = Check(0, _CLONE_THREAD, mask=_CLONE_THREAD)
        made |= {name: Rule() for name in ("fork", "vfork", "execve", "execveat")}
        made |= {name: Rule() for name in ("setpgid", "setsid")}
        return made | {"clone": Rule(unless=((thread,),))}
    made["clone"] = Rule(unless=((Check(0, 0, mask=_CLONE_NAMESPACES),),))
    return {"clone": made["clone"]} if openings.scoped else made


def _network(openings: Openings) -> dict[str, Rule]:
    """Give the rules of what begins a connection."""
    if not openings.connect:
        return {name: Rule() for name in ("socket", "connect")}
    # Of TCP alone Landlock knows the ports: not of MPTCP or SMC, which have other protocols.
    tcp = [
        (Check(0, family), Check(1, socket.SOCK_STREAM, mask=_TYPE_MASK), Check(2, protocol))
        for family in (socket.AF_INET, socket.AF_INET6)
        for protocol in (0, socket.IPPROTO_TCP)
    ]
    # Data sent with the opening packet: older kernels do not ask Landlock then.
    places = {"sendto": 3, "sendmsg": 2, "sendmmsg": 3}
    made = {
        name: Rule(unless=((Check(at, 0, mask=_MSG_FASTOPEN),),)) for name, at in places.items()
    }
    return made | {"socket": Rule(unless=tuple(tcp))}
