"""What a run may still spend: asked before each call of the model, told what came of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from app.features.chat.errors import BudgetExceeded
from app.features.organizations.budgets import RunBudget
from app.ports.llm import MICRO, Price, Usage

Extend = Callable[[dict[str, Any]], Awaitable[None]]
"""Sets more aside for the run; raises `BudgetExceeded` where a budget does not allow it."""


@dataclass(frozen=True, slots=True)
class PurseState:
    """A purse as it is written down with a run that waits."""

    is_reserved: bool
    run_tokens: int | None
    run_micro_usd: int | None
    reserved_tokens: int
    reserved_micro_usd: int
    used_tokens: int
    used_cost: int


@dataclass(slots=True, kw_only=True)
class Purse:
    """Of one run; costs are in the parts that `Price.cost` gives.

    `is_reserved` where budgets hold whose amounts are set aside in the database.
    """

    budget: RunBudget
    price: Price | None
    extend: Extend
    is_reserved: bool
    reserved_tokens: int = 0
    reserved_micro_usd: int = 0
    used_tokens: int = 0
    used_cost: int = 0
    _answer: Usage | None = field(default=None, init=False)
    _is_guessed: bool = field(default=True, init=False)

    async def afford(self, input_tokens: int, max_tokens: int) -> None:
        """Go on to ask the model only if all budgets allow it.

        Raises:
            BudgetExceeded: one does not.
        """
        self._settle()
        self.fits_the_run(input_tokens)
        if self.is_reserved:
            await self._reserve(Usage(input_tokens, 0), Usage(input_tokens, max_tokens))
        # If nobody counts it, it has cost all that it may.
        self._answer, self._is_guessed = Usage(input_tokens, max_tokens), True

    def fill(self, reserved: dict[str, int]) -> None:
        """What was set aside for the run when it began: `{tokens, usd}`."""
        self.reserved_tokens += reserved["tokens"]
        self.reserved_micro_usd += reserved["usd"]

    def counted(self, usage: Usage) -> None:
        """What the answer under way has used; the last count holds."""
        self._answer, self._is_guessed = usage, False

    def switch(self, price: Price | None) -> None:
        """A model has not answered, which costs what it has counted; another is asked now."""
        if self._is_guessed:
            self._answer = None
        self._settle()
        self.price = price

    def fits_the_run(self, input_tokens: int) -> None:
        """Whether what one run may use allows to read so much.

        Raises:
            BudgetExceeded: it does not.
        """
        allowed, used = self.budget, self.used_tokens
        if allowed.tokens is not None and used + input_tokens > allowed.tokens:
            raise BudgetExceeded.of("run_tokens")
        cost = self.used_cost + self._cost(Usage(input_tokens, 0))
        if cost and allowed.micro_usd is not None and _micro(cost) > allowed.micro_usd:
            raise BudgetExceeded.of("run_usd")

    @property
    def written(self) -> PurseState:
        """The purse without its way to the database."""
        self._settle()
        return PurseState(
            is_reserved=self.is_reserved,
            run_tokens=self.budget.tokens,
            run_micro_usd=self.budget.micro_usd,
            reserved_tokens=self.reserved_tokens,
            reserved_micro_usd=self.reserved_micro_usd,
            used_tokens=self.used_tokens,
            used_cost=self.used_cost,
        )

    @staticmethod
    def read(state: PurseState, price: Price | None, extend: Extend) -> "Purse":
        """A purse that was written down."""
        return Purse(
            budget=RunBudget(state.run_tokens, state.run_micro_usd),
            price=price,
            extend=extend,
            is_reserved=state.is_reserved,
            reserved_tokens=state.reserved_tokens,
            reserved_micro_usd=state.reserved_micro_usd,
            used_tokens=state.used_tokens,
            used_cost=state.used_cost,
        )

    async def _reserve(self, entry: Usage, whole: Usage) -> None:
        tokens = _more(self.reserved_tokens, self.used_tokens + _sum(entry), self._tokens(whole))
        usd = _more(
            self.reserved_micro_usd,
            _micro(self.used_cost + self._cost(entry)),
            _micro(self.used_cost + self._cost(whole)),
        )
        if not tokens["amount"] and not usd["amount"]:
            return
        await self.extend({"tokens": tokens, "usd": usd})
        self.reserved_tokens += tokens["amount"]
        self.reserved_micro_usd += usd["amount"]

    def _settle(self) -> None:
        if self._answer is not None:
            self.used_tokens += _sum(self._answer)
            self.used_cost += self._cost(self._answer)
            self._answer = None

    def _tokens(self, usage: Usage) -> int:
        return self.used_tokens + _sum(usage)

    def _cost(self, usage: Usage) -> int:
        return 0 if self.price is None else self.price.cost(usage)


def _more(reserved: int, entry: int, whole: int) -> dict[str, int]:
    return {"entry": max(0, entry - reserved), "amount": max(0, whole - reserved)}


def _sum(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens


def _micro(cost: int) -> int:
    return -(-cost // MICRO)
