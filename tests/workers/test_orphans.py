"""What is left behind is found and ended, whatever the kernel offers and however deep it stands."""

import subprocess
import sys

import pytest

from optifire.workers.marks import kill_marked, mark_of

#: A zygote of few lines, whose one run leaves a family behind; tells what is left of it.
ZYGOTE = """
import os, resource, signal, sys
from optifire.workers import children, marks, orphans

def family(depth):
    \"\"\"Leave a chain of processes, each in a session of its own, and tell when it stands.\"\"\"
    for _ in range(depth):
        if os.fork():
            signal.pause()
        os.setsid()
    os.write(ready, b"x")
    signal.pause()

if sys.argv[2] == "without":
    children._OF_ONE = "/proc/thread-self/absent"
zygote = os.getpid()
standing, ready = os.pipe()
orphans.adopt_orphans()
other = os.fork()
if other == 0:
    marks.mark_run(zygote)
    family(3)
os.read(standing, 1)
run = os.fork()
if run == 0:
    marks.mark_run(zygote)
    if os.fork() == 0:
        family(int(sys.argv[1]))
    os.read(standing, 1)
    os._exit(0)
os.waitpid(run, 0)

def marked(number):
    mark = marks.mark_for(zygote, number)
    found = 0
    for pid in children.processes():
        try:
            found += marks.mark_of(pid) == mark
        except (ProcessLookupError, PermissionError):
            pass
    return found

before = marked(run), marked(other)
while left := orphans.sweep({other}):  # as many turns as it takes
    assert left == {run}
after = marked(run), marked(other)
marks.kill_marked({marks.mark_for(zygote, other)})
os.waitpid(other, 0)
while orphans.sweep(()):
    pass
print(*before, *after, marked(other))
"""


@pytest.mark.parametrize("kernel", ["with", "without"])
@pytest.mark.parametrize("depth", [1, 150])
def test_a_family_of_any_depth_is_ended_and_that_of_a_living_run_is_not(
    depth: int, kernel: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ZYGOTE, str(depth), kernel],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split() == [str(depth + 1), "4", "0", "4", "0"]


def test_who_bears_no_mark_is_never_killed() -> None:
    kill_marked({mark_of(0)})  # this process would go, and everybody else's
