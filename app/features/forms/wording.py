"""What visitors are told, in the language of the agent that they talk to."""

from collections.abc import Mapping, Sequence

from app.features.forms.fields import FormField, Value

# Whoever needs more of a long text finds it in the submission.
MAX_NOTED_CHARS = 1000
_WORDS: Mapping[str, Mapping[str, str]] = {
    "pt": {
        "sent": "Formulário enviado",
        "thanks": "Recebido, obrigado!",
        "yes": "sim",
        "no": "não",
        "required": "Preencha este campo.",
        "invalid_email": "Confira o e-mail, por exemplo ana@exemplo.com.br.",
        "invalid_phone": "Confira o telefone com DDD, por exemplo (11) 98765-4321.",
        "invalid_cpf": "Confira o CPF.",
        "invalid_cnpj": "Confira o CNPJ.",
        "invalid_date": "Confira a data, por exemplo 23/11/2026.",
        "invalid_number": "Escreva um número.",
        "invalid_choice": "Escolha uma das opções.",
        "too_short": "O texto é curto demais.",
        "too_long": "O texto é longo demais.",
        "too_small": "O valor é baixo demais.",
        "too_large": "O valor é alto demais.",
        "too_early": "A data é cedo demais.",
        "too_late": "A data é tarde demais.",
        "other": "Confira este campo.",
    },
    "es": {
        "sent": "Formulario enviado",
        "thanks": "¡Recibido, gracias!",
        "yes": "sí",
        "no": "no",
        "required": "Complete este campo.",
        "other": "Revise este campo.",
    },
    "en": {
        "sent": "Form sent",
        "thanks": "Received, thank you!",
        "yes": "yes",
        "no": "no",
        "required": "Fill in this field.",
        "invalid_email": "Check the e-mail address.",
        "invalid_phone": "Check the telephone number and its area code.",
        "invalid_date": "Check the date.",
        "invalid_number": "Write a number.",
        "invalid_choice": "Choose one of the options.",
        "other": "Check this field.",
    },
}


def word(language: str, name: str) -> str:
    """A word or sentence; English where the language is another than Portuguese and Spanish."""
    words = _WORDS.get(language[:2], _WORDS["en"])
    return words.get(name, words["other"])


def note(
    title: str, fields: Sequence[FormField], values: Mapping[str, Value], language: str
) -> str:
    """What stands in the conversation for a form that was sent: each label with its value."""
    lines = [f"[{word(language, 'sent')}: {title}]"]
    for field in fields:
        if field.name in values:
            lines.append(f"{field.label}: {_written(values[field.name], language)}")
    return "\n".join(lines)


def _written(value: Value, language: str) -> str:
    if isinstance(value, bool):
        return word(language, "yes" if value else "no")
    text = str(value)
    return text if len(text) <= MAX_NOTED_CHARS else text[:MAX_NOTED_CHARS] + " …"
