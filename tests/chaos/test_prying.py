"""Plugins that pry, in a service that runs them sandboxed: each is denied, and says by what."""

from typing import Final

import pytest

from optifire.core.run import RunStatus
from tests.chaos.attacks import HEAD
from trial import Trial

DAY = "2018-01-29"
HOME = "context.data_dir.parents[2]"
PRIES: Final = {
    "reads_secrets": f"({HOME} / 'configs' / 'secrets.env').read_text()",
    "reads_the_ledger": f"({HOME} / 'data' / 'demo.db').read_bytes()",
    "reads_another_plugin": f"({HOME} / 'mine' / 'reads_secrets' / 'impl.py').read_text()",
    "reads_an_environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "connects_by_tcp": "socket.create_connection(('127.0.0.1', 9), 1)",
    "sends_by_udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "asks_the_service": "socket.socket(socket.AF_UNIX).connect('optifire.sock')",
    "kills_the_zygote": "os.kill(os.getppid(), signal.SIGKILL)",
    "forks": "os.fork()",
}


@pytest.mark.timeout(120)
def test_what_is_not_granted_is_denied_to_every_one_of_them(trial: Trial) -> None:
    secrets = trial.root / "configs" / "secrets.env"
    secrets.write_text("TOKEN=open-sesame\n", encoding="utf-8")
    secrets.chmod(0o600)
    for name, body in PRIES.items():
        trial.plugin(
            name,
            f"{body}\nreturn PluginResult(success=True)",
            plan={"schedule": "@open"},
            head=HEAD,
        )
    trial.enable(environment="demo", **{name: {"sandbox": True} for name in PRIES})
    trial.configure(demo={"from": DAY, "to": DAY})
    with trial.service() as service:
        service.until_finished(within=60)
        assert service.stop() == 0
    rows = {str(row.key.plugin_id): row for row in trial.runs()}
    assert {name: row.status for name, row in rows.items()} == dict.fromkeys(
        PRIES, RunStatus.FAILED
    )
    for row in rows.values():
        assert row.status is RunStatus.FAILED, row
        assert str(row.reason).startswith("not permitted"), row
