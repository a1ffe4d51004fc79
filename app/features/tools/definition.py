"""What a tool is to be: its configuration checked by its kind, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from app.core.schemas import Body
from app.features.tools.argument_schema import checked_schema, names_in
from app.features.tools.errors import ToolConfigInvalid
from app.features.tools.kinds.kind import Risk, ToolKind
from app.features.tools.secrets import SecretBox, marks, secrets_of
from app.ports import Ports

STRICTNESS: dict[Risk, int] = {"read": 0, "write": 1, "approval_required": 2}
CHOSEN = ("parameters", "risk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A tool's kind and configuration, with what its client chose; None follows the kind."""

    kind: ToolKind[Any]
    config: Body
    own_parameters: dict[str, Any] | None
    own_risk: Risk | None

    def row(self, tool_id: str, ports: Ports, box: SecretBox) -> dict[str, Any]:
        """The columns of the table that follow from this.

        Raises:
            InvalidRequest: the kind refuses it, or what was chosen does not fit the kind.
        """
        if self.kind.check is not None:
            self.kind.check(self.config, ports)
        fields = self.kind.secret_fields
        secrets = secrets_of(self.config, fields)
        shown = self.config.model_dump(mode="json", by_alias=True, exclude=set(fields))
        own = None if self.own_parameters is None else checked_schema(self.own_parameters)
        needed = self.kind.parameters(self.config)
        if own == needed:
            own = None  # a client that sends back what it has read has chosen nothing
        if own is not None:
            _check_names(own, needed, self.kind)
        chosen = {"parameters": own, "risk": self.own_risk}
        return {
            "config": shown | marks(secrets, fields),
            "sealed": box.seal(secrets, tool_id),
            "parameters": own or needed,
            "risk": self._risk(),
            "chosen": {name: value for name, value in chosen.items() if value is not None},
        }

    def _risk(self) -> Risk:
        least = least_risk(self.kind, self.config)
        if self.own_risk is None:
            return least
        if STRICTNESS[self.own_risk] < STRICTNESS[least]:
            raise _refused("/risk", f"must be at least `{least}`: the tool changes something")
        return self.own_risk


def least_risk(kind: ToolKind[Any], config: Body) -> Risk:
    """The risk of a tool of this kind, unless its client wants it to be stricter."""
    return kind.risk if kind.has_side_effects(config) else "read"


def _check_names(own: dict[str, Any], needed: dict[str, Any], kind: ToolKind[Any]) -> None:
    named, required = names_in(own)
    known, wanted = names_in(needed)
    # A kind whose arguments are fixed can be told of fewer of them, but of no others.
    left_out = known - named if kind.takes_own_parameters else set[str]()
    if missing := sorted(left_out | (wanted - (named & required))):
        raise _refused("/parameters", f"must name, and require where needed: {', '.join(missing)}")
    if not kind.takes_own_parameters and (others := sorted(named - known)):
        raise _refused("/parameters", f"names what the tool does not take: {', '.join(others)}")


def _refused(pointer: str, detail: str) -> ToolConfigInvalid:
    return ToolConfigInvalid(
        f"{pointer}: {detail}", errors=[{"pointer": pointer, "detail": detail}]
    )


def refuse_to_move(kind: ToolKind[Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Let no secret that was kept go to somebody else than whom it was written for.

    Raises:
        ToolConfigInvalid: the new configuration would send it elsewhere.
    """
    goes_to = kind.secrets_go_to
    if goes_to is not None and goes_to(old) != goes_to(new):
        detail = "must be sent again, as the configuration would send them to another server"
        raise _refused(f"/config/{kind.secret_fields[0]}", detail)


def read_config(kind: ToolKind[Any], config: dict[str, Any]) -> Body:
    """The configuration of a kind, secrets in clear.

    Raises:
        ToolConfigInvalid: it is not one; the errors tell where, never the value.
    """
    try:
        return kind.config.model_validate(config)
    except ValidationError as error:
        errors = [
            {
                "pointer": "".join(f"/{part}" for part in ("config", *item["loc"]))[:200],
                "detail": str(item["msg"]).removeprefix("Value error, "),
            }
            for item in error.errors(include_url=False, include_input=False)
        ]
    detail = "; ".join(f"{item['pointer']}: {item['detail']}" for item in errors[:5])
    raise ToolConfigInvalid(detail, errors=errors)
