"""The name, the sender of emails and the licence of the product. `manage.py setup` writes them."""

NAME = "Groundwork"
SENDER = "noreply@localhost"
LICENCE = {"name": "MIT", "identifier": "MIT"}
