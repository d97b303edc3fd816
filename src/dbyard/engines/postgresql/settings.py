"""What the owner of a database may choose."""

from __future__ import annotations

from dbyard.model import Setting

BY_CODE_POINT = "C.UTF-8"
LOCALE = Setting(
    "locale",
    BY_CODE_POINT,
    f"How text is sorted: by code point ({BY_CODE_POINT}), or as in a language by ICU, such as en-US, de or und",
    pattern=r"C\.UTF-8|[a-z]{2,3}(-[A-Za-z0-9]{1,8}){0,8}",
    fixed=True,
)
SETTINGS = (LOCALE,)
