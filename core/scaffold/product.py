"""The file `config/product.py`: the name, the sender and the licence of the product, which `manage.py setup` writes."""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

TEMPLATE = '''"""The name, the sender of emails and the licence of the product. `manage.py setup` writes them."""

NAME = {name}
SENDER = {sender}
LICENCE = {licence}
'''


@dataclass(frozen=True)
class Product:
    name: str
    sender: str
    licence: Mapping[str, str]  # of the OpenAPI document

    @property
    def source(self) -> str:
        return TEMPLATE.format(
            name=literal(self.name), sender=literal(self.sender), licence=json.dumps(self.licence)
        )


def path() -> Path:
    return Path(settings.BASE_DIR) / "config" / "product.py"


def read() -> Product:
    """Return the values of the file. Raises ValueError where it does not have the three constants."""
    values = {}
    try:
        for line in ast.parse(path().read_text()).body:
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                values[line.targets[0].id] = ast.literal_eval(line.value)
        return Product(values["NAME"], values["SENDER"], values["LICENCE"])
    except (OSError, SyntaxError, ValueError, KeyError) as error:
        raise ValueError("config/product.py does not have NAME, SENDER and LICENCE as constants") from error


def literal(text: str) -> str:
    """Return the text as a literal in the form of ruff: in double quotes, unless it has more of them than others."""
    return json.dumps(text, ensure_ascii=False) if text.count('"') <= text.count("'") else repr(text)
