"""What the user is told where the model, after its calls, has written nothing."""

_WORDS = {
    "pt": "Fiz o que era possível com as ferramentas disponíveis, mas não consegui escrever uma"
    " resposta completa. Como você prefere continuar?",
    "es": "Hice lo que era posible con las herramientas disponibles, pero no logré escribir una"
    " respuesta completa. ¿Cómo prefiere continuar?",
    "en": "I did what the available tools allowed, but could not write a complete answer."
    " How would you like to go on?",
}


def last_words(language: str) -> str:
    """In the agent's language, or else in English."""
    return _WORDS.get(language[:2], _WORDS["en"])
