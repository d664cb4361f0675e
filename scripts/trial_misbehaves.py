"""Plugins that do harm by chance, for tests and benchmarks of what that costs others."""

from typing import Final

#: What their code finds at the top of its file.
HEAD: Final = """\
import asyncio, ctypes, mmap, os, pickle, resource, signal, socket, struct, subprocess, sys, time


def line():
    \"\"\"Give the socket over which this run answers; those of an event loop do not block.\"\"\"
    for fd in range(3, 64):
        if os.path.exists(f"/proc/self/fd/{fd}") and os.get_blocking(fd):
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                return fd
"""
#: What they may do, each of which ends the run in its own way.
DEEDS: Final = (
    "work", "raise", "exit", "crash", "hang", "loop", "grow", "share", "babble", "stray", "flood",
)  # fmt: skip
_BODY: Final = """\
os.chdir(context.data_dir)
if deed == "raise":
    raise ValueError("not today")
if deed == "exit":
    os._exit(0)
if deed == "crash":
    ctypes.memset(0, 0, 1)
while deed == "hang":
    time.sleep(1)
while deed == "loop":
    pass
held = []
while deed == "grow":
    held.append([0] * 1000)
if deed == "share":
    held = mmap.mmap(-1, 200 << 20)
    for page in range(0, len(held), 4096): held[page] = 1
while deed == "babble":
    os.write(line(), bytes([255]) * 4096)
if deed == "stray" and os.fork() == 0:
    os.setsid()
    os.execv("/bin/sleep", ["/bin/sleep", "1000"])
if deed == "flood":
    print("x" * (1 << 20))
return PluginResult(success=True)
"""


def misbehaving(*deeds: str) -> str:
    """Give the code of a run that does one of some deeds, drawn from the run's own seed."""
    return f"deed = context.rng.choice({list(deeds)})\n{_BODY}"
