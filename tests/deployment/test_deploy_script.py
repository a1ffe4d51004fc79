"""deploy.sh checks before it changes anything, and stops at the first failure."""

import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from app.core.settings import child_environment
from tests.support.service import ROOT

pytestmark = pytest.mark.once
# Railway's command line as far as the script knows it: what it was asked is kept in a file.
RAILWAY = """#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
with open(here / "asked", "a") as asked:
    asked.write(" ".join(sys.argv[1:]) + "\\n")
play = json.loads((here / "play.json").read_text())
match sys.argv[1]:
    case "whoami":
        sys.exit(0 if play["signed_in"] else 1)
    case "variables":
        told = play["variables"]
        print(told if isinstance(told, str) else json.dumps(told))
    case "up":
        sys.exit(play["up"])
    case "deployment":
        states = play["states"]
        print(json.dumps([{{"status": states[0]}}] if states[0] else []))
        play["states"] = states[1:] or states
        (here / "play.json").write_text(json.dumps(play))
    case other:
        sys.exit(f"unknown command {{other}}")
"""
COMPLETE = {
    "DATABASE_URL": "postgresql://u:s3cret@db/x",
    "REDIS_URL": "redis://:s3cret@redis",
    "ENCRYPTION_KEY": "s3cret" * 6,
    "RAILWAY_PUBLIC_DOMAIN": "agentes.example",
}


class Stage:
    """A repository with the script, a Railway whose answers are set, and a shell."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.tools = folder / "repository", folder / "tools"
        self.system: Path | None = None
        self.repository.mkdir()
        self.tools.mkdir()
        shutil.copy(ROOT / "deploy.sh", self.repository)
        self.git("init", "-q")
        self.git("add", ".")
        self.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "Begin")
        railway = self.tools / "railway"
        railway.write_text(RAILWAY.format(python=sys.executable))
        railway.chmod(0o755)
        self.play()

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.repository, check=True)

    def play(self, **changes: object) -> None:
        usual = {"signed_in": True, "variables": COMPLETE, "up": 0, "states": ["SUCCESS"]}
        (self.tools / "play.json").write_text(json.dumps(usual | changes))

    def without(self, name: str) -> None:
        """From now on the shell finds all that the script uses but this."""
        self.system = self.tools.parent / "system"
        self.system.mkdir()
        used = {"bash", "cat", "curl", "dirname", "env", "git", "make", "python3", "sleep"}
        for tool in used - {name}:
            (self.system / tool).symlink_to(shutil.which(tool, path=os.defpath) or tool)

    def deploy(self, *options: str, **variables: str) -> tuple[int, str, list[str]]:
        """The exit code, what was printed, and what Railway was asked to change."""
        path = f"{self.tools}{os.pathsep}{self.system or os.defpath}"
        done = subprocess.run(
            [self.repository / "deploy.sh", *options],
            env=child_environment(PATH=path, **variables),
            capture_output=True,
            text=True,
            timeout=60,
        )
        asked = self.tools / "asked"
        changes = [line for line in asked.read_text().splitlines() if line.startswith("up")]
        asked.unlink()
        assert "s3cret" not in done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr, changes


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def served():
    """The address of a service that is ready at the second question."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if len(asked) > 1 else 503)
            self.end_headers()
            self.wfile.write(b'{"status": "ok"}')

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    assert set(asked) <= {"/health/ready"}


def test_it_deploys_and_waits_until_the_service_is_ready(stage, served):
    stage.play(states=["BUILDING", "DEPLOYING", "SUCCESS"])
    code, printed, changes = stage.deploy("--url", served, "--service", "api")
    assert (code, changes) == (0, ["up --ci --service api"]), printed
    assert f"is live at {served}" in printed


def test_a_dry_run_checks_everything_and_changes_nothing(stage):
    code, printed, changes = stage.deploy("--dry-run")
    assert (code, changes) == (0, [])
    assert "would wait up to 600 s for https://agentes.example/health/ready" in printed


def test_all_that_is_missing_is_named_at_once(stage):
    stage.play(variables={"DATABASE_URL": "postgresql://u:s3cret@db/x"})
    code, printed, changes = stage.deploy()
    assert (code, changes) == (1, [])
    for name in ("REDIS_URL", "ENCRYPTION_KEY", "a public address"):
        assert name in printed
    stage.play(variables={})
    assert "or a volume mounted at /data" in stage.deploy()[1]
    stage.play(variables={"RAILWAY_VOLUME_MOUNT_PATH": "/data"})
    assert "RAILWAY_RUN_UID=0" in stage.deploy()[1]


def test_what_is_missing_is_told_in_one_round(stage):
    (stage.repository / "new").write_text("x")
    short = {"ENCRYPTION_KEY": "s3cret" * 6 + ",s3cret"}
    stage.play(variables=COMPLETE | short | {"REDIS_URL": ""})
    code, printed, changes = stage.deploy("--dry-run")
    assert (code, changes) == (1, [])
    for words in ("not committed", "REDIS_URL: ", "ENCRYPTION_KEY: 32 random characters"):
        assert words in printed
    stage.play(signed_in=False)
    code, printed, _ = stage.deploy("--dry-run")
    assert code == 1
    assert "railway login" in printed
    assert "not committed" in printed


def test_a_key_that_the_service_would_refuse_is_noticed_beside_a_volume_too(stage):
    variables = {"RAILWAY_VOLUME_MOUNT_PATH": "/data", "RAILWAY_RUN_UID": "0"}
    variables |= {"RAILWAY_PUBLIC_DOMAIN": "agentes.example", "ENCRYPTION_KEY": "s3cret"}
    stage.play(variables=variables)
    code, printed, _ = stage.deploy("--dry-run")
    assert code == 1
    assert "ENCRYPTION_KEY: 32 random characters" in printed


@pytest.mark.parametrize("told", ["No variables found s3cret", "[]", ""])
def test_variables_that_are_no_json_are_told_without_a_traceback(stage, told):
    stage.play(variables=told)
    code, printed, changes = stage.deploy()
    assert (code, changes) == (1, [])
    assert "gave no JSON object" in printed
    assert "Traceback" not in printed


def test_a_deployment_that_railway_does_not_list_yet_is_waited_for(stage, served):
    stage.play(states=[None, "BUILDING", "SUCCESS"])
    code, printed, _ = stage.deploy("--url", served)
    assert code == 0, printed
    assert "Traceback" not in printed


def test_a_volume_alone_is_enough(stage):
    variables = {"RAILWAY_VOLUME_MOUNT_PATH": "/data", "RAILWAY_RUN_UID": "0"}
    stage.play(variables=variables | {"RAILWAY_PUBLIC_DOMAIN": "agentes.example"})
    code, printed, _ = stage.deploy("--dry-run")
    assert code == 0, printed
    assert "migrated by the service" in printed


def test_a_supabase_project_is_migrated_from_here(stage):
    supabase = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "s3cret"}
    rest = {name: COMPLETE[name] for name in COMPLETE if name != "DATABASE_URL"}
    stage.play(variables=rest | supabase)
    code, printed, changes = stage.deploy()
    assert (code, changes) == (1, [])
    assert "set DATABASE_URL in this shell" in printed
    code, printed, _ = stage.deploy("--dry-run", DATABASE_URL="postgresql://u:s3cret@db/x")
    assert code == 0, printed
    assert "would run: make migrate" in printed


def test_make_is_asked_for_where_the_migration_runs_from_here(stage):
    supabase = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "s3cret"}
    rest = {name: COMPLETE[name] for name in COMPLETE if name != "DATABASE_URL"}
    stage.without("make")
    stage.play(variables=rest | supabase)
    code, printed, changes = stage.deploy(DATABASE_URL="postgresql://u:s3cret@db/x")
    assert (code, changes) == (1, [])
    assert "make: from your system's packages" in printed
    assert "complete" not in printed
    stage.play()
    code, printed, _ = stage.deploy("--dry-run")
    assert code == 0, printed


def test_the_migration_is_made_before_anything_is_deployed(stage, served):
    supabase = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "s3cret"}
    rest = {name: COMPLETE[name] for name in COMPLETE if name != "DATABASE_URL"}
    stage.play(variables=rest | supabase)
    (stage.repository / "Makefile").write_text("migrate:\n\t@echo migrated from here; exit 3\n")
    stage.git("add", ".")
    stage.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "Migrate")
    code, printed, changes = stage.deploy("--url", served, DATABASE_URL="postgresql://u@db/x")
    assert code != 0
    assert changes == []
    assert "migrated from here" in printed


def test_nobody_who_is_not_signed_in_deploys(stage):
    stage.play(signed_in=False)
    code, printed, changes = stage.deploy()
    assert (code, changes) == (1, [])
    assert "railway login" in printed
    assert stage.deploy("--dry-run", RAILWAY_TOKEN="s3cret")[0] == 0


def test_changes_that_are_not_committed_stop_it(stage):
    (stage.repository / "new").write_text("x")
    code, printed, changes = stage.deploy()
    assert (code, changes) == (1, [])
    assert "not committed" in printed


@pytest.mark.parametrize("state", ["FAILED", "CRASHED"])
def test_a_deployment_that_fails_is_told(stage, served, state):
    stage.play(states=["BUILDING", state])
    code, printed, _ = stage.deploy("--url", served)
    assert code == 1
    assert f"ended as {state}" in printed


def test_a_build_that_fails_ends_it(stage, served):
    stage.play(up=7)
    code, printed, _ = stage.deploy("--url", served)
    assert code == 7
    assert "== Ready" not in printed


def test_a_service_that_does_not_become_ready_is_told(stage):
    code, printed, _ = stage.deploy("--url", "http://127.0.0.1:1", "--wait", "1")
    assert code == 1
    assert "not ready after 1 s" in printed


def test_missing_tools_are_named(stage):
    bare = stage.tools.parent / "bare"
    bare.mkdir()
    for name in ("bash", "dirname", "cat", "env"):
        (bare / name).symlink_to(shutil.which(name) or name)
    done = subprocess.run(
        [bare / "bash", stage.repository / "deploy.sh"],
        env={"PATH": str(bare)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    for name in ("railway", "curl", "git", "python3"):
        assert f"{name}: " in done.stderr


def test_an_unknown_option_is_refused_with_the_usage(stage):
    done = subprocess.run(
        [stage.repository / "deploy.sh", "--fast"], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 2
    assert "usage: ./deploy.sh" in done.stderr
