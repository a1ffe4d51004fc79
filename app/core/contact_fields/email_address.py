"""E-mail addresses, by their form alone: nobody is asked whether the mailbox exists."""

from app.core.contact_fields.refusal import ValueRefused

MAX_CHARS = 254


def email_address(text: str) -> str:
    """The address with its domain in lower case and its Unicode composed.

    Raises:
        ValueRefused: it is no address that mail could be sent to.
    """
    refused = ValueRefused("invalid_email", "is not an e-mail address such as ana@exemplo.com.br")
    address = text.strip()
    if len(address) > MAX_CHARS:
        raise refused
    import email_validator  # not while the service starts (core/loading.py)

    try:
        found = email_validator.validate_email(address, check_deliverability=False)
    except email_validator.EmailNotValidError:
        raise refused from None
    return found.normalized
