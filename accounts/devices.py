"""The name of a device in words, from the User-Agent header: "Firefox on Windows", "curl", "Notes on iOS"."""

import re

from django.utils.translation import gettext as _
from ua_parser import parse

MAX_NAME = 40
# Browsers call themselves Mozilla for historical reasons. Every other client names itself first (RFC 9110, 10.1.5).
BROWSER = re.compile(r"(Mozilla|Opera)/")
OWN_NAME = re.compile(r"[^/(;]*[^/(;\s]")
# Names of the mobile variants of a browser. The system is part of the device name anyway.
VARIANT = re.compile(r"\bMobile\b|\biOS\b|\bWebView\b| UI/WKWebView")
SYSTEMS = {"Mac OS X": "macOS"}
# Characters that change the direction of a text, or have no width, could imitate another name.
INVISIBLE = re.compile(r"[^ -~]+")


def device_name(user_agent: str) -> str:
    """Return browser and system without versions, so that an update is not another device. Visible ASCII only."""
    user_agent = INVISIBLE.sub(" ", user_agent)
    device = parse(user_agent)
    browser = device.user_agent.family if device.user_agent else ""
    system = device.os.family if device.os else ""
    name = VARIANT.sub("", browser) if BROWSER.match(user_agent) else own_name(user_agent)
    name = " ".join(name.split())[:MAX_NAME]
    system = SYSTEMS.get(system, system)[:MAX_NAME]
    if name and system:
        return _("%(browser)s on %(system)s") % {"browser": name, "system": system}
    return name or system or _("an unknown device")


def own_name(user_agent: str) -> str:
    """Return the text before the first version or comment, or the first word without either."""
    match = OWN_NAME.match(user_agent)
    if match is None:
        return ""
    return match[0] if match[0] != user_agent.strip() else user_agent.split(maxsplit=1)[0]
