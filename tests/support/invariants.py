"""What has to hold after every fault, asked of the ledger, the database and the log."""

import json
import re
from pathlib import Path

import asyncpg

from tests.support.load import Chat, Ledger

UNDER_WAY = "select id, status from agentes.runs where status = 'running'"
OF_ONE = re.compile('"(request|run)_id"')
ENDED = """
select m.content, m.status as message_status, r.status as run_status
  from agentes.messages q
  join agentes.runs r on r.id = q.run_id
  join agentes.messages m on m.id = r.message_id
 where q.role = 'user' and q.content = $1
"""


def check_answers(ledger: Ledger, *, deadline_s: float = 30.0) -> None:
    """No 500, no bare 503, nothing slower than its deadline, liveness at all times."""
    assert ledger.broken == []
    for answer in ledger.answered:
        assert answer.status < 500 or answer.status == 503, answer
        assert answer.took_s <= deadline_s, answer
        if answer.status == 503:
            assert answer.retry_after is not None, answer
            assert json.loads(answer.body)["code"] == "store_unavailable", answer
        if answer.what.endswith("/health/live"):
            assert answer.status == 200, answer
            assert answer.took_s < 1, answer


def check_streams(chats: list[Chat]) -> None:
    """Every stream that began has ended with its one terminal event, and `done` is the truth."""
    for chat in chats:
        assert len(chat.terminal) == 1, chat
        assert chat.events[-1]["event"] in ("done", "error"), chat


async def check_kept(ledger: Ledger, connection: asyncpg.Connection) -> None:
    """Everything acknowledged is there, each run has one terminal state, and none is fake."""
    names = await connection.fetch("select name from agentes.knowledge_bases")
    assert set(ledger.bases) <= {row["name"] for row in names}
    assert await connection.fetch(UNDER_WAY) == []
    for chat in ledger.acknowledged:
        (row,) = await connection.fetch(ENDED, chat.question)
        if chat.terminal == ["done"]:
            assert row["run_status"] == "completed", (chat, row)
            assert row["message_status"] == "complete", (chat, row)
            assert row["content"] == chat.text, (chat, row)
        else:
            assert row["run_status"] in ("failed", "cancelled"), (chat, row)
            assert row["message_status"] == "incomplete", (chat, row)


def check_log(log: Path, *, most: float, since: int = 0) -> None:
    """No traceback, and no flood: but for lines of one request or run, their number is bounded."""
    text = log.read_bytes()[since:].decode()
    assert "Traceback" not in text, text[text.index("Traceback") - 300 :][:4000]
    told = [line for line in text.splitlines() if not OF_ONE.search(line)]
    assert len(told) <= most, (len(told), most, told[:50])
