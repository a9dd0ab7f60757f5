"""Sizes and colours of the screen of a browser, and the elements that do not fit it."""

from selenium.webdriver import Chrome

TOO_WIDE = """
return [...document.querySelectorAll(arguments[0])]
    .filter(element => element.scrollWidth > element.clientWidth + 1)
    .map(element => `${element.id || element.className}: ${element.scrollWidth} > ${element.clientWidth}`);
"""


def size(browser: Chrome, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def colours(browser: Chrome, scheme: str) -> None:
    """Prefer `light` or `dark` colours."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
