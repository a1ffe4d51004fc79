"""One line a fact, also where a library would write a page."""

import json
import subprocess
import sys

SCRIPT = """
import logging
from app.core.logging import configure_logging
from app.core.settings import Settings

configure_logging(Settings(log_format="json"))
for name in ("asyncpg.pool", "elsewhere"):
    try:
        raise ConnectionResetError(104, "reset")
    except OSError:
        logging.getLogger(name).warning("it failed", exc_info=True)
"""


def test_a_database_that_restarts_is_logged_without_tracebacks_and_others_with():
    # In a process of its own: the configuration is the process's.
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True).stderr
    driver, other = (json.loads(line) for line in told.splitlines())
    assert driver["error"] == "ConnectionResetError: [Errno 104] reset"
    assert "exception" not in driver
    assert "Traceback" in other["exception"]
