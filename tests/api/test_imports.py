"""What the API brings into a service that idles."""

import subprocess
import sys

#: Makes the application and its document, and tells which modules that took.
CODE = """\
import sys
from optifire.api import server
from optifire.api.application import litestar_app
from optifire.api.document import described
litestar_app(None, None, None, None)
described()
print(*sys.modules)
"""
#: What litestar would import where plugins have brought it, or for things that nobody uses here.
HEAVY = {
    "pydantic",
    "attr",
    "attrs",
    "faker",
    "polyfactory",
    "httpx",
    "jinja2",
    "numpy",
    "pandas",
    "h11",
}


def test_the_api_imports_nothing_heavy_that_plugins_or_tests_have_brought() -> None:
    words = [sys.executable, "-c", CODE]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    names = set(done.stdout.split())
    assert {"litestar", "uvicorn", "optifire.api.document"} <= names
    assert names & HEAVY == set()
