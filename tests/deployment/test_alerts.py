"""The alerts ring when they should and at no other time, as Prometheus itself reads them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.lacking import program
from tests.support.service import ROOT

pytestmark = pytest.mark.once
ALERTS = ROOT / "deploy/alerts.yml"
STORIES = Path(__file__).with_name("alert_stories.yml")


def promtool(*arguments: Path | str) -> str:
    tool = Path(program("prometheus")).with_name("promtool")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_each_story_rings_what_it_must(tmp_path):
    shutil.copy(ALERTS, tmp_path)
    told = promtool("test", "rules", shutil.copy(STORIES, tmp_path))
    assert "SUCCESS" in told


def test_each_alert_rings_in_a_story_and_is_silent_in_another():
    stories = STORIES.read_text()
    for alert in re.findall(r"alert: (\w+)", ALERTS.read_text()):
        assert re.search(rf"alertname: {alert}\n +exp_alerts:", stories), f"{alert} never rings"
        assert re.search(rf"alertname: {alert}}}", stories), f"{alert} rings always"
