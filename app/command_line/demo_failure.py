"""Why a demo ends early: one exception, told to the person in its own words."""


class DemoFailed(Exception):
    """The demo cannot go on; the message says what happened and, where known, what to do."""
