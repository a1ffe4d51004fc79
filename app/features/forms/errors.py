"""What can be wrong with a request about forms."""

from app.core.errors import Conflict, InvalidRequest, NotFound


class FormNotFound(NotFound):
    """There is no such form in this organization."""


class FormSubmissionNotFound(NotFound):
    """There is no such submission in this organization."""


class FormSubmittedBefore(Conflict):
    """The form was sent already, with other values."""


class FormValuesInvalid(InvalidRequest):
    """Some values do not fit the form."""
