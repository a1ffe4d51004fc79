"""Forms and submissions in the database."""

from collections.abc import AsyncIterator
from typing import Any

from app.core.ids import ConversationId, OrganizationId, RunId, new_id
from app.domain_events import EVENTS
from app.domain_events.form_submitted import FormSubmitted
from app.features.forms.errors import FormNotFound, FormSubmittedBefore
from app.features.forms.schemas import FormToShow, StoredForm, Submission, Value
from app.ports.store import Database

# Few enough that turning them into text holds nobody else up.
EXPORT_AT_ONCE = 200
# A model that shows forms without end is stopped here.
MAX_FORMS = 20


class FormRepository:
    """The forms of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def page(
        self, *, limit: int, after: str | None, where: dict[str, Any]
    ) -> list[StoredForm]:
        rows = await self._scope.call(
            "rows_find_v1", table="forms", where=where, limit=limit, after=after
        )
        return [StoredForm.model_validate(row) for row in rows]

    async def of_run(self, conversation_id: ConversationId, run_id: RunId) -> list[StoredForm]:
        rows = await self._scope.call(
            "forms_of_run_v1", conversation_id=conversation_id, run_id=run_id
        )
        return [StoredForm.model_validate(row) for row in rows]

    async def submissions(
        self, *, limit: int, after: str | None, where: dict[str, Any]
    ) -> list[Submission]:
        rows = await self._scope.call(
            "rows_find_v1", table="form_submissions", where=where, limit=limit, after=after
        )
        return [Submission.model_validate(row) for row in rows]

    async def all_submissions(self, where: dict[str, Any]) -> AsyncIterator[list[Submission]]:
        """All of them, newest first, some hundreds at a time; the first may be empty."""
        after: str | None = None
        while True:
            rows = await self.submissions(limit=EXPORT_AT_ONCE, after=after, where=where)
            yield rows
            if len(rows) < EXPORT_AT_ONCE:
                return
            after = rows[-1].id

    async def value_names(self, where: dict[str, Any]) -> list[str]:
        return await self._scope.call(
            "form_values_list_v1", tool_id=where.get("tool_id"), agent_id=where.get("agent_id")
        )

    async def show(self, form: FormToShow, *, submit_message: str) -> StoredForm | str:
        """The form as it is shown, or why it is not."""
        row = {
            "id": new_id(),
            "agent_id": form.agent_id,
            "tool_id": form.tool_id,
            "conversation_id": form.conversation_id,
            "visitor_id": form.visitor_id,
            "title": form.title,
            "fields": [field.model_dump(mode="json") for field in form.fields],
            "prefilled": dict(form.prefilled),
            "submit_message": submit_message,
            "language": form.language,
        }
        result = await self._scope.call("form_show_v1", form=row, key=form.key, max_forms=MAX_FORMS)
        if result["outcome"] != "shown":
            return result["outcome"]
        return StoredForm.model_validate(result["form"])

    async def submit(self, form: StoredForm, values: dict[str, Value], note: str) -> Submission:
        submission_id = new_id()
        fact = FormSubmitted(
            submission_id=submission_id,
            form_id=form.id,
            agent_id=form.agent_id,
            conversation_id=form.conversation_id,
            visitor_id=form.visitor_id,
            title=form.title,
            values=values,
        )
        metadata = {"form_id": form.id, "form_submission_id": submission_id}
        result = await self._scope.call(
            "form_submit_v1",
            id=form.id,
            submission={"id": submission_id, "values": values},
            message={"id": new_id(), "content": note, "metadata": metadata},
            events=[EVENTS["form_submitted"].of(fact, agent_id=form.agent_id)],
        )
        match result["outcome"]:
            case "not_found":
                raise FormNotFound
            case "submitted_before":
                raise FormSubmittedBefore("A form is taken once.")
            case _:
                return Submission.model_validate(result["submission"])
