"""What can be wrong with a request about models."""

from app.core.errors import Conflict, InvalidRequest, NotFound


class ModelNotFound(NotFound):
    """Neither the service nor the organization has such a model."""


class ModelPriceNotFound(NotFound):
    """The organization has set no such price for the model."""


class ModelAlreadyExists(Conflict):
    """There is a model with this id."""


class ModelBuiltIn(Conflict):
    """A model that the service brings cannot be changed or deleted."""


class ModelInUse(Conflict):
    """Agents use this model."""


class TooManyModels(Conflict):
    """The organization has as many models or prices of a model as it can have."""


class BaseUrlNotSupported(InvalidRequest):
    """Models at addresses of one's own are not supported."""
