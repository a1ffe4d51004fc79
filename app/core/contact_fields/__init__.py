"""What people write of themselves (addresses, numbers, dates), checked and brought to one form.

The one place for it: leads, forms and the tools that take either ask here.
"""

from app.core.contact_fields.email_address import email_address
from app.core.contact_fields.phone_number import phone_number
from app.core.contact_fields.refusal import ValueRefused
from app.core.contact_fields.tax_ids import cnpj, cpf, tax_id
from app.core.contact_fields.written import calendar_date, number, one_line, paragraph

__all__ = [
    "ValueRefused",
    "calendar_date",
    "cnpj",
    "cpf",
    "email_address",
    "number",
    "one_line",
    "paragraph",
    "phone_number",
    "tax_id",
]
