"""What can go wrong with a chat."""

from app.core.errors import Conflict, InvalidRequest, NotFound, Problem, ServiceUnavailable


class AgentInactive(Conflict):
    """The agent is switched off."""


class BudgetExceeded(Problem):
    """A budget does not allow this answer at the moment."""

    status = 402

    @classmethod
    def of(cls, budget: str) -> "BudgetExceeded":
        """A budget of the run itself, which nothing renews."""
        return cls(f"The answer would go over `{budget}`, what one may use.", budget=budget)

    @classmethod
    def until(
        cls, budget: str, *, resets_at: str, retry_after_s: int, why: str
    ) -> "BudgetExceeded":
        """A budget that begins anew, or is free again when answers under way have ended."""
        return cls(
            f"The budget `{budget}` {why}; it begins anew at {resets_at}.",
            headers={"Retry-After": str(retry_after_s)},
            budget=budget,
            resets_at=resets_at,
        )


class PriceUnknown(Conflict):
    """A budget in USD holds, and what the model costs is not known."""


class RunNotFound(NotFound):
    """The agent has no such run."""


class RunExpired(Problem):
    """The run ended too long ago to be streamed again."""

    status = 410


class UnknownEventId(InvalidRequest):
    """The run has not streamed an event of that number yet."""


class RunTooLong(Problem):
    """The answer took longer than the agent's limit."""

    status = 504
    retryable = True


class RunInterrupted(ServiceUnavailable):
    """The answer was ended from outside before it was whole."""


class RunDeleted(Conflict):
    """The conversation was deleted while its answer was written."""


class ServerStopping(ServiceUnavailable):
    """This process is being stopped; ask again."""


class ApprovalExpired(Conflict):
    """Nobody decided on a call of this answer within 15 minutes."""


class CallNotFound(NotFound):
    """The run has no such call that a person could decide on."""


class AlreadyDecided(Conflict):
    """The call was decided on before, or its run has ended."""


class ArgumentsInvalid(InvalidRequest):
    """The changed arguments do not fit the tool."""


class ClientLeft(Problem):
    """The client left before the answer was whole."""

    status = 499


class AnswerNotKept(ServiceUnavailable):
    """The answer was written but could not be stored."""
