"""What can be wrong with a request about figures and conversions."""

from app.core.errors import Conflict, InvalidRequest, NotFound


class ConversionNotFound(NotFound):
    """There is no such conversion in this organization."""


class ConversionDiffers(Conflict):
    """Another conversion was recorded under this external id."""


class ConversionNotRefundable(Conflict):
    """This entry cannot be taken back."""


class RefundExceedsConversion(Conflict):
    """More would be taken back than was brought."""


class ConversionTooEarly(InvalidRequest):
    """It would have happened before what it belongs to."""
