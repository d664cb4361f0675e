"""Plugins that attack what runs them, each with what the record of its run must say.

They run without a sandbox, as the code of the user: what they may do they do, and what counts is
that nobody else is hurt. Each goes to a folder of its own first, so that whatever it starts can be
found by where it is.
"""

from dataclasses import dataclass, field
from typing import Final

import trial_misbehaves
from optifire.core.run import RunStatus

CRASHED, FAILED, OVER = RunStatus.CRASHED, RunStatus.FAILED, RunStatus.OVER_BUDGET
LATE, FINE = RunStatus.TIMED_OUT, RunStatus.SUCCEEDED

HEAD: Final = (
    f"{trial_misbehaves.HEAD}\n\n"
    """\
def siblings():
    with open(f"/proc/{os.getppid()}/task/{os.getppid()}/children") as file:
        return [int(pid) for pid in file.read().split() if int(pid) != os.getpid()]


"""
)


@dataclass(frozen=True)
class Attack:
    """What a plugin does, how its run must end, and words of the reason.

    A timeout is far away unless it is what ends the run.
    """

    body: str
    status: RunStatus
    says: str = ""
    timeout: float = 30.0
    #: Another way in which it may end as well, by who is quicker.
    also: RunStatus | None = None
    budget: dict[str, float] = field(default_factory=lambda: {"cpu_ms": 10_000, "mem_mb": 16})


def looping(body: str) -> Attack:
    """Give an attack on processor time: stopped at 200 ms of it."""
    said = "of processor time; the limit is 200 ms, 2 times its budget of 100 ms"
    return Attack(body, OVER, said, budget={"cpu_ms": 100, "mem_mb": 16})


def growing(body: str, *, mem_mb: float = 16) -> Attack:
    """Give an attack on memory."""
    said = f"wanted memory beyond {mem_mb + 8:g} MB"
    return Attack(body, OVER, said, budget={"cpu_ms": 10_000, "mem_mb": mem_mb})


def hanging(body: str) -> Attack:
    """Give an attack that uses nothing and does not end."""
    return Attack(body, LATE, "took longer than its timeout of 1 s", timeout=1)


CRASHES: Final = {
    "segfaults": Attack("ctypes.memset(0, 0, 1)", CRASHED, "killed by SIGSEGV"),
    "exits": Attack("os._exit(0)", CRASHED, "ended with code 0 and no answer"),
    "kills_itself": Attack("os.kill(os.getpid(), 9)", CRASHED, "killed by SIGKILL"),
    "closes_everything": Attack("os.closerange(0, 1 << 16)", CRASHED, "and no answer"),
}
LOOPS: Final = {
    "loops": looping("while True: pass"),
    "loops_in_c": looping("sum(range(10**13))"),
    "loops_and_swallows": looping("""\
while True:
    try:
        while True: pass
    except BaseException:
        pass"""),
    "loops_and_ignores": looping("""\
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: pass"""),
    "loops_elsewhere": looping("""\
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: pass
    os._exit(0)
time.sleep(1000)"""),
}
HANGS: Final = {
    "ignores_sigterm": hanging("""\
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: time.sleep(3600)"""),
    "blocks_every_signal": hanging("""\
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True: time.sleep(3600)"""),
    "swallows_every_cancel": hanging("""\
while True:
    try:
        await asyncio.sleep(3600)
    except BaseException:
        pass"""),
    "stops_itself": hanging("os.kill(os.getpid(), signal.SIGSTOP)"),
}
BOMBS: Final = {
    "bombs_with_objects": growing("""\
held = []
while True: held.append([0] * 1000)"""),
    "bombs_with_arrays": growing(
        """\
import numpy
held = []
while True: held.append(numpy.ones(1 << 17))""",
        mem_mb=64,
    ),
    "bombs_with_shared_pages": growing("""\
held = mmap.mmap(-1, 300 << 20)
for page in range(0, len(held), 4096): held[page] = 1"""),
    "bombs_with_a_memfd": growing("""\
file = os.memfd_create("bomb")
os.ftruncate(file, 200 << 20)
held = mmap.mmap(file, 200 << 20)
for page in range(0, len(held), 4096): held[page] = 1"""),
    "bombs_in_many": growing("""\
for _ in range(8):
    if os.fork() == 0:
        held = bytearray(b"x") * (15 << 20)
        break
time.sleep(1000)"""),
    "goes_on_without": growing("""\
try:
    held = bytearray(b"x") * (300 << 20)
except MemoryError:
    pass"""),
}
FILES: Final = {
    "opens_10000_files": Attack(
        "held = [open('/dev/null') for _ in range(10_000)]", FAILED, "Too many open files"
    ),
    "fills_a_file": Attack(
        """\
with open(context.temp_dir / "full", "wb") as file:
    while True: file.write(bytes(1 << 20))""",
        FAILED,
        "File too large",
    ),
    "floods_its_output": Attack("for _ in range(100): print('x' * (1 << 20))", FINE),
    "floods_below_python": Attack(
        """\
for _ in range(10_000):
    try:
        os.write(1, b"y" * (1 << 16))
    except BlockingIOError:
        pass""",
        FINE,
    ),
}
ANSWERS: Final = {
    "answers_garbage": Attack(
        "os.write(line(), bytes([255]) * 4096); time.sleep(60)",
        CRASHED,
        "what it sent is no answer",
    ),
    "answers_a_pickle": Attack(
        """\
class Trap:
    def __reduce__(self):
        return (os.mkdir, (os.path.abspath("unpickled"),))
said = pickle.dumps(Trap())
os.write(line(), struct.pack(">IB", len(said), 0) + said); time.sleep(60)""",
        CRASHED,
        "what it sent is no answer",
    ),
    "answers_a_gigabyte": Attack(
        """\
os.write(line(), struct.pack(">IB", 190 << 20, 0))
for _ in range(1024): os.write(line(), bytes(1 << 20))""",
        CRASHED,
        "what it sent is no answer",
    ),
    "answers_in_bulk": Attack(
        """\
said = b"\\x92\\xa7started\\x01"
while True: os.write(line(), (struct.pack(">IB", len(said), 0) + said) * 1000)""",
        CRASHED,
        "messages at once",
    ),
    "claims_a_gigabyte": Attack(
        "os.write(line(), struct.pack('>IB', 1 << 30, 0)); time.sleep(60)",
        CRASHED,
        "a message of 1,073,741,824 bytes",
    ),
    "answers_with_files": Attack(
        """\
answer = socket.socket(fileno=os.dup(line()))
while True: socket.send_fds(answer, [struct.pack(">IB", 9, 200) + b"x"], [0] * 200)""",
        CRASHED,
        "more files than could be taken",
    ),
    "asks_for_ever": looping("while True: await context.db.fetch_all('SELECT 1')"),
}
STRAYS: Final = {
    "leaves_a_daemon": Attack(
        """\
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/bin/sleep", ["/bin/sleep", "1000"])
    os._exit(0)
os.wait()""",
        FINE,
    ),
    "leaves_a_deaf_family": Attack(
        """\
for depth in range(20):
    if os.fork() == 0:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    else:
        break
if depth: time.sleep(1000)""",
        FINE,
    ),
}
FORKS: Final = {
    "forks_without_end": Attack(
        """while True:
    try:
        os.fork()
    except OSError:  # the machine has no more
        pass""",
        OVER,
        "processes and threads; the limit is 64",
    ),
    "forks_and_exits": Attack(
        """while True:
    if os.fork():
        os._exit(0)
    os.setsid()""",
        CRASHED,
        also=OVER,  # what has ended and waits to be reaped is counted, too
    ),
}
#: One who was root may raise what it has been lowered to; that is what looking is for.
RAISES: Final = {
    "raises_its_limits": growing("""\
for which in (resource.RLIMIT_DATA, resource.RLIMIT_AS, resource.RLIMIT_CPU):
    try:
        resource.setrlimit(which, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError:
        pass
held = bytearray(b"x") * (600 << 20)"""),
}

ATTACKS: Final = {
    **CRASHES,
    **LOOPS,
    **HANGS,
    **BOMBS,
    **FILES,
    **ANSWERS,
    **STRAYS,
    **FORKS,
    **RAISES,
}

#: Those that take others along, who have done nothing. A bystander is there to be hit.
KILLERS: Final = {
    "kills_its_siblings": Attack(
        """\
hit = 0
while not hit:
    for pid in siblings():
        try:
            os.kill(pid, signal.SIGKILL)
            hit += 1
        except ProcessLookupError:  # it has just ended
            pass""",
        FINE,
    ),
    "kills_its_parent": Attack(
        """\
if os.fork() == 0:
    os.setsid()
    os.execv("/bin/sleep", ["/bin/sleep", "1000"])
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(60)""",
        CRASHED,
        "was killed by SIGKILL",
    ),
    "stops_its_parent": hanging("os.kill(os.getppid(), signal.SIGSTOP); time.sleep(60)"),
}
#: How a run ends that was hit.
HIT: Final = "killed by SIGKILL"
