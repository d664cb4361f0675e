"""The API behind a certificate of its own."""

import json
import re
import shutil
import ssl
import subprocess
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from trial import Trial, until

OPENSSL = shutil.which("openssl")

pytestmark = [
    pytest.mark.row("O046"),
    pytest.mark.skipif(OPENSSL is None, reason="openssl, which makes a certificate, is not here"),
]


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Give a home with a certificate for 127.0.0.1, of an hour or so."""
    trial = Trial(tmp_path / "home")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=o"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", "cert.pem", "-keyout", "key.pem"]
    done = subprocess.run(
        [str(OPENSSL), *words.split(), *names], cwd=trial.root, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    trial.enable(environment="paper")
    return trial


def settle(trial: Trial, **said: object) -> None:
    files = {"tls_certificate": "cert.pem", "tls_key": "key.pem"}
    trial.configure(api={"enabled": True, "port": 0, **files, **said})


def test_an_address_that_others_reach_is_bound_where_there_is_tls(trial: Trial) -> None:
    settle(trial, host="0.0.0.0")  # noqa: S104 - what this is about
    with trial.service() as service:
        said = until(
            lambda: re.search(r"the API answers at https://0\.0\.0\.0:(\d+)", service.said()),
            what="an API with TLS",
        )
        port = int(said[1])
        trusted = ssl.create_default_context(cafile=str(trial.root / "cert.pem"))
        secure = HTTPSConnection("127.0.0.1", port, timeout=20, context=trusted)
        secure.request("GET", "/health")
        assert json.loads(secure.getresponse().read())["live"] is True
        secure.close()
        plain = HTTPConnection("127.0.0.1", port, timeout=20)
        plain.request("GET", "/health")
        with pytest.raises(OSError):  # noqa: PT011 - however the connection is ended
            plain.getresponse()
        plain.close()
        assert service.stop() == 0


def test_files_that_are_no_pair_are_named(trial: Trial) -> None:
    settle(trial, tls_key="cert.pem")
    error = trial.refused("up", "--no-view", code=2)
    assert error["type"] == "ConfigError"
    assert str(trial.root / "cert.pem") in error["where"]


def test_a_file_that_is_not_there_is_named(trial: Trial) -> None:
    settle(trial, tls_certificate="other.pem")
    assert str(trial.root / "other.pem") in trial.refused("up", "--no-view", code=2)["where"]
