"""What a part of an address may be, beyond what Starlette knows."""

from starlette.convertors import Convertor, register_url_convertor


class ItemConvertor(Convertor[str]):
    """`{lead_id:item}` matches ids, and not the name of an address beside them (`/leads/export`).

    Without it the methods of `/{lead_id}` would be taken at `/export` as well.
    """

    regex = "(?![a-z]+(?:/|$))[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class ModelConvertor(Convertor[str]):
    """`{model_id:model}` matches ids of models, which may hold slashes (`openai/gpt-4o`).

    Not those of the addresses below them (`/test`, `/prices`), whose methods would be taken too.
    """

    regex = "(?!.*/(?:test|prices)(?:/|$)).+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


def register_convertors() -> None:
    """Let paths say `{lead_id:item}` and `{model_id:model}`."""
    register_url_convertor("item", ItemConvertor())
    register_url_convertor("model", ModelConvertor())
