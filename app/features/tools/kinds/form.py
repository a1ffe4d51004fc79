"""Shows the visitor a form; what is sent with it comes back as what the visitor has said."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from app.core.contact_fields import one_line, paragraph
from app.core.ids import ConversationId
from app.core.schemas import Body, Text
from app.features.forms.schemas import Fields, Form, FormField, FormToShow
from app.features.forms.service import FormService, check_prefilled
from app.features.tools.kinds.kind import (
    CallContext,
    FormShown,
    ToolFailed,
    ToolKind,
    ToolResult,
)

Title = Annotated[
    str, StringConstraints(min_length=1, max_length=100), Text, AfterValidator(one_line)
]
Message = Annotated[
    str, StringConstraints(min_length=1, max_length=500), Text, AfterValidator(paragraph)
]


class FormConfig(Body):
    """What the form asks, and what its visitor is told afterwards."""

    title: Title
    fields: Fields
    submit_message: Message | None = Field(
        default=None, description="By default a word of thanks in the agent's language."
    )


def _parameters(config: FormConfig) -> dict[str, Any]:
    """What the model may fill in beforehand: nothing is ticked in a visitor's name."""
    properties = {
        field.name: _offered(field) for field in config.fields if field.type != "checkbox"
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _offered(field: FormField) -> dict[str, Any]:
    offered: dict[str, Any] = {
        "type": "number" if field.type == "number" else "string",
        "description": f"Only if the visitor has said it already: {field.label}",
    }
    return offered | ({"enum": field.options} if field.options else {})


async def _call(config: FormConfig, arguments: dict[str, Any], context: CallContext) -> ToolResult:
    prefilled = check_prefilled(config.fields, arguments)
    if context.conversation_id is None:
        return ToolResult(
            content={"status": "not shown", "detail": "A test call has no visitor to show it to."},
            trace={"title": config.title, "prefilled": prefilled},
        )
    shown = await FormService(context.ports, context.organization_id).show(
        FormToShow(
            key=context.key,
            agent_id=context.agent_id,
            tool_id=context.tool_id,
            conversation_id=ConversationId(context.conversation_id),
            visitor_id=context.visitor_id,
            title=config.title,
            fields=config.fields,
            prefilled=prefilled,
            submit_message=config.submit_message,
            language=context.language,
        )
    )
    return _result(shown, sorted(prefilled))


def _result(shown: Form | str, prefilled: list[str]) -> ToolResult:
    match shown:
        case "too_many":
            raise ToolFailed("too_many_forms", "This conversation has seen enough forms.")
        case str():
            raise ToolFailed("conversation_not_found", "The conversation was deleted.")
        case Form() if shown.status == "submitted":
            return ToolResult(content={"status": "submitted already"})
        case Form():
            return ToolResult(
                content={
                    "status": "shown",
                    "prefilled": prefilled,
                    "next": "The visitor sees the form now. Ask for nothing that is in it; what"
                    " they send will come as a message of theirs.",
                },
                form=FormShown(shown.event()),
                trace={"form_id": shown.id},
            )


KIND = ToolKind(
    name="form",
    title="Form",
    description="Shows the visitor a form to fill in: typed fields, checked, some on condition.",
    config=FormConfig,
    example={
        "title": "Agende uma visita",
        "fields": [
            {"name": "nome", "label": "Seu nome", "type": "text", "required": True},
            {"name": "cpf", "label": "CPF", "type": "cpf", "required": True},
            {
                "name": "contato",
                "label": "Como falamos com você?",
                "type": "select",
                "options": ["E-mail", "Telefone"],
                "required": True,
            },
            {
                "name": "telefone",
                "label": "Telefone",
                "type": "phone",
                "required": True,
                "visible_if": {"field": "contato", "equals": "Telefone"},
            },
        ],
        "submit_message": "Recebido! Confirmamos o horário ainda hoje.",
    },
    risk="write",
    has_side_effects=lambda _: True,
    parameters=_parameters,
    call=_call,
)
