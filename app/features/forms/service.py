"""What can be done with forms."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from app.core.csv_rows import BYTE_ORDER_MARK, csv_line
from app.core.ids import ConversationId, OrganizationId, RunId
from app.core.schemas import rfc3339
from app.features.forms.errors import (
    FormNotFound,
    FormSubmissionNotFound,
    FormValuesInvalid,
)
from app.features.forms.repository import FormRepository
from app.features.forms.schemas import Form, FormToShow, Receipt, StoredForm, Submission, Value
from app.features.forms.values import FieldRefused, check_prefilled, check_values
from app.features.forms.wording import note, word
from app.ports import Ports
from app.web.caller import Visitor

__all__ = ["FormService", "check_prefilled"]

COLUMNS = ("id", "created_at", "title", "form_id", "agent_id", "conversation_id", "visitor_id")


class FormService:
    """Forms of one organization; a visitor's own, if it is one."""

    def __init__(
        self, ports: Ports, organization_id: OrganizationId, visitor: Visitor | None = None
    ) -> None:
        self._public_url = ports.settings.public_url
        self._repository = FormRepository(ports.database, organization_id)
        self._own: dict[str, Any] = (
            {}
            if visitor is None
            else {"agent_id": visitor.agent_id, "visitor_id": visitor.visitor_id}
        )

    async def show(self, form: FormToShow) -> Form | str:
        """The form as it is shown from now on, once for each key; or why it cannot be.

        One that is open in the conversation already is shown again. The other outcomes are
        `conversation_not_found` and `too_many`.
        """
        message = form.submit_message or word(form.language, "thanks")
        shown = await self._repository.show(form, submit_message=message)
        return shown if isinstance(shown, str) else self._as_seen(shown)

    async def page(self, *, limit: int, after: str | None, where: dict[str, Any]) -> list[Form]:
        """Newest first, after the form with that id."""
        rows = await self._repository.page(limit=limit, after=after, where=where | self._own)
        return [self._as_seen(row) for row in rows]

    async def get(self, form_id: str) -> Form:
        """One form.

        Raises:
            FormNotFound: this organization, or this visitor, has no such form.
        """
        return self._as_seen(await self._stored(form_id))

    async def of_run(self, conversation_id: ConversationId, run_id: RunId) -> list[dict[str, Any]]:
        """The data of the `form` events of a run, oldest form first."""
        rows = await self._repository.of_run(conversation_id, run_id)
        return [self._as_seen(row).event() for row in rows]

    async def _stored(self, form_id: str) -> StoredForm:
        rows = await self._repository.page(limit=1, after=None, where={"id": form_id} | self._own)
        if not rows:
            raise FormNotFound
        return rows[0]

    def _as_seen(self, stored: StoredForm) -> Form:
        return Form.of(stored, public_url=self._public_url)

    async def submit(self, form_id: str, sent: Mapping[str, Any]) -> Receipt:
        """Take what a visitor has written; the same again is answered in the same way.

        The next answer of the agent is given with it: it stands in the conversation as what the
        visitor has said.

        Raises:
            FormNotFound: there is no such form.
            FormValuesInvalid: with each field that is wrong.
            FormSubmittedBefore: it was sent with other values.
        """
        form = await self._stored(form_id)
        checked = check_values(form.fields, sent)
        if checked.refused:
            errors = [_told(refused, form.language) for refused in checked.refused]
            detail = "; ".join(f"{error['pointer']}: {error['detail']}" for error in errors[:5])
            raise FormValuesInvalid(detail, errors=errors)
        values = dict(checked.values)
        text = note(form.title, form.fields, values, form.language)
        submission = await self._repository.submit(form, values, text)
        return Receipt(**submission.model_dump(), submit_message=form.submit_message)

    async def submissions(
        self, *, limit: int, after: str | None, where: dict[str, Any]
    ) -> list[Submission]:
        """Newest first, after the submission with that id."""
        return await self._repository.submissions(limit=limit, after=after, where=where)

    async def submission(self, submission_id: str) -> Submission:
        """One submission.

        Raises:
            FormSubmissionNotFound: this organization has no such submission.
        """
        rows = await self._repository.submissions(limit=1, after=None, where={"id": submission_id})
        if not rows:
            raise FormSubmissionNotFound
        return rows[0]

    async def export(self, *, where: dict[str, Any], delimiter: str) -> AsyncGenerator[str]:
        """The submissions as CSV, newest first, read as they are sent; first the header."""
        names = await self._repository.value_names(where)
        yield sheet_header(names, delimiter)
        async for rows in self._repository.all_submissions(where):
            yield "".join(sheet_row(row, names, delimiter) for row in rows)


def _told(refused: FieldRefused, language: str) -> dict[str, str]:
    name = refused.name.replace("~", "~0").replace("/", "~1")
    return {
        "pointer": f"/values/{name}",
        "detail": refused.detail,
        "code": refused.code,
        "message": word(language, refused.code),
    }


def sheet_header(names: Sequence[str], delimiter: str) -> str:
    """The first line of an export: a column for each field that was ever sent."""
    own = (f"values.{name}" for name in names)
    return BYTE_ORDER_MARK + csv_line([*COLUMNS, *own], delimiter=delimiter)


def sheet_row(submission: Submission, names: Sequence[str], delimiter: str) -> str:
    """A submission as a line under that header."""
    kept: dict[str, Value | None] = submission.model_dump(include=set(COLUMNS))
    kept["created_at"] = rfc3339(submission.created_at)
    own = [submission.values.get(name) for name in names]
    return csv_line([*(kept[name] for name in COLUMNS), *own], delimiter=delimiter)
