"""railway.json fits the service, and what Railway would throw away is refused at start."""

import json
import subprocess
import sys

import pytest

from app.application import create_app
from app.command_line.serve import STOPPED_WITHIN_S
from app.core.settings import Settings, SettingsInvalid, child_environment, load_settings
from app.web.client_address import client_address
from tests.support.service import ROOT

pytestmark = pytest.mark.once
RAILWAY = json.loads((ROOT / "railway.json").read_text())
ON_RAILWAY = {"RAILWAY_ENVIRONMENT_ID": "e"}
KEY = {"ENCRYPTION_KEY": "k" * 32}
DATABASE = {"DATABASE_URL": "postgresql://u@db/x"}


def test_it_names_what_exists(tmp_path):
    assert (ROOT / RAILWAY["build"]["dockerfilePath"]).is_file()
    app = create_app(Settings(data_dir=tmp_path))
    assert RAILWAY["deploy"]["healthcheckPath"] in app.openapi()["paths"]


def test_a_stopping_process_has_the_time_it_needs():
    assert RAILWAY["deploy"]["drainingSeconds"] >= STOPPED_WITHIN_S + 5


def test_the_migration_before_a_deploy_passes_where_there_is_none():
    (command,) = RAILWAY["deploy"]["preDeployCommand"]
    program, *arguments = command.split()
    assert program == "python"
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (
        0,
        "DATABASE_URL is not set: nothing to migrate from here.\n",
    )


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, ["DATABASE_URL", "attach a volume", "ENCRYPTION_KEY"]),
        (KEY, ["attach a volume"]),
        (DATABASE, ["ENCRYPTION_KEY"]),
        ({"RAILWAY_VOLUME_MOUNT_PATH": "/other", "DATA_DIR": "/data"}, ["mount it at DATA_DIR"]),
    ],
)
def test_what_would_be_lost_with_the_container_is_refused(variables, named):
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(ON_RAILWAY | variables)
    for name in named:
        assert name in str(refused.value)


@pytest.mark.parametrize(
    "variables",
    [
        DATABASE | KEY,
        {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "s"} | KEY,
        {"RAILWAY_VOLUME_MOUNT_PATH": "/data"},
        {"RAILWAY_VOLUME_MOUNT_PATH": "/data", "DATA_DIR": "/data/agentes"},
    ],
)
def test_what_lasts_is_taken(variables):
    load_settings(ON_RAILWAY | variables)


def test_the_volume_and_the_domain_are_found():
    found = {"RAILWAY_VOLUME_MOUNT_PATH": "/v", "RAILWAY_PUBLIC_DOMAIN": "a.up.railway.app"}
    settings = load_settings(ON_RAILWAY | found)
    assert (str(settings.data_dir), settings.public_url) == ("/v", "https://a.up.railway.app")
    elsewhere = load_settings(found)
    assert (str(elsewhere.data_dir), elsewhere.public_url) == (".data", "http://127.0.0.1:8000")


def test_behind_its_edge_each_client_is_one_whatever_it_forwards():
    settings = load_settings(ON_RAILWAY | KEY | DATABASE)
    for ours in (b"1.2.3.4", b"2001:db8::1"):
        scope = {
            "type": "http",
            "client": ("100.64.0.3", 1),
            "headers": [(b"x-forwarded-for", ours + b", 79.127.151.146"), (b"x-real-ip", ours)],
        }
        read = client_address(scope, settings.trusted_proxies, settings.client_address_header)
        assert read == ours.decode()


def test_proxies_that_are_named_there_stand():
    mine = {"TRUSTED_PROXIES": "10.0.0.0/8", "CLIENT_ADDRESS_HEADER": "CF-Connecting-IP"}
    settings = load_settings(ON_RAILWAY | KEY | DATABASE | mine)
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8"]
    assert settings.client_address_header == "CF-Connecting-IP"


def test_another_header_there_is_believed_from_proxies_that_are_named_alone():
    settings = load_settings(ON_RAILWAY | KEY | DATABASE | {"CLIENT_ADDRESS_HEADER": "X-Client"})
    headers = [(b"x-client", b"6.6.6.6"), (b"x-real-ip", b"1.2.3.4")]
    scope = {"type": "http", "client": ("100.64.0.3", 1), "headers": headers}
    read = client_address(scope, settings.trusted_proxies, settings.client_address_header)
    assert read == "100.64.0.3"
