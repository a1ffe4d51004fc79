"""The service in this process, with the options that it is measured and tested with."""

import sys

import uvicorn

from app.core.settings import SettingsInvalid, load_settings

# Open streams are told to end and get this long; platforms send SIGKILL after 30 s.
GRACEFUL_SHUTDOWN_S = 25


def serve_until_stopped(*, reload: bool) -> int:
    """Serve on HOST and PORT; 2 when settings are not valid, with all of them named."""
    try:
        settings = load_settings()
    except SettingsInvalid as error:
        print(error, file=sys.stderr)
        return 2
    uvicorn.run(
        "main:app",
        host=settings.host,
        port=settings.port,
        http="httptools",
        loop="auto",  # uvloop; where it does not exist (Windows), asyncio's own
        reload=reload,
        reload_dirs=["app"] if reload else None,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    return 0
