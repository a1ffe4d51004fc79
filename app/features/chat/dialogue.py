"""What the model is given to read in one run: it grows with each call and result."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from app.features.chat.prompt import estimated_tokens, fitting
from app.features.chat.purse import Purse
from app.ports.llm import ChatRequest, ContextTooLong, Message, ResolvedModel, ToolSpec, Usage

RESULT_GONE = "[The result is left out here, as the conversation is too long.]"


@dataclass(slots=True, kw_only=True)
class Dialogue:
    """Instructions, history, the question, and what model and tools have said on it since.

    `base` holds what stays the same from one request to the next.
    """

    model: ResolvedModel
    fallbacks: list[ResolvedModel] = field(default_factory=list[ResolvedModel])
    base: ChatRequest
    system: Message
    history: list[Message]
    question: Message
    said: list[Message] = field(default_factory=list[Message])
    is_shortened: bool = False
    purse: Purse | None = None

    def request(self, tools: Sequence[ToolSpec], *, may_call: bool) -> ChatRequest:
        """The next request; what does not fit is left out, the oldest first.

        Raises:
            ContextTooLong: nothing more can be left out.
        """
        while True:
            try:
                messages = self._fitting()
            except ContextTooLong:
                if not self._drop_result():
                    raise
            else:
                self.history = list(messages[1 : -1 - len(self.said)])
                return replace(self.base, messages=messages, tools=tuple(tools), may_call=may_call)

    async def afforded(self, request: ChatRequest) -> int:
        """The tokens that the model will read, about; all budgets allow to have it read them.

        Raises:
            BudgetExceeded: one does not.
        """
        input_tokens = sum(map(estimated_tokens, request.messages))
        if self.purse is not None:
            await self.purse.afford(input_tokens, request.max_tokens or 0)
        return input_tokens

    def counted(self, usage: Usage) -> None:
        """What the answer under way has used."""
        if self.purse is not None:
            self.purse.counted(usage)

    def shorten(self) -> bool:
        """Leave out, once, what may help a model that could not read it all; whether there was any.

        Half of the history goes, or else the oldest result.
        """
        if self.is_shortened:
            return False
        self.is_shortened = True
        if self.history:
            del self.history[: (len(self.history) + 1) // 2]
            return True
        return self._drop_result()

    def switch(self) -> bool:
        """Ask the next of the other models from now on; whether there was one.

        What a model has signed means nothing to another.
        """
        if not self.fallbacks:
            return False
        self.model = self.fallbacks.pop(0)
        self.base = replace(self.base, model=self.model.model)
        self.said = [_unsigned(message) for message in self.said]
        self.is_shortened = False
        if self.purse is not None:
            self.purse.switch(self.model.price)
        return True

    def _fitting(self) -> tuple[Message, ...]:
        window = self.model.context_window
        budget = window - (self.base.max_tokens or 0)
        return fitting(
            self.system, self.history, self.question, budget_tokens=budget, said=self.said
        )

    def _drop_result(self) -> bool:
        for place, message in enumerate(self.said):
            if message.role == "tool" and len(message.content) > len(RESULT_GONE):
                self.said[place] = replace(message, content=RESULT_GONE)
                return True
        return False


def _unsigned(message: Message) -> Message:
    calls = tuple(replace(call, signature=None) for call in message.tool_calls)
    return replace(message, tool_calls=calls)
