"""File formats. The order decides where bytes could be more than one; plain text is last."""

from app.core.registry import Registry, load
from app.ports.parser import Parser

PARSERS: Registry[Parser] = Registry(
    "parser",
    load(
        __name__,
        "PARSER",
        (
            "pdf",
            "docx",
            "pptx",
            "xlsx",
            "xls",
            "ods",
            "odt",
            "epub",
            "eml",
            "json",
            "html",
            "csv",
            "markdown",
            "text",
        ),
    ),
)
