"""Times in templates, and so in the admin: short, and with the month unambiguous."""

DATETIME_FORMAT = "Y-m-d H:i"
DATE_FORMAT = "Y-m-d"
