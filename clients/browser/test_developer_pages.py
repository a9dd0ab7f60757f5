"""The pages under /dev/ in a real browser: a reset finished by hand, their policy, phones and dark mode."""

import json
import urllib.request

import pytest
from screens import TOO_WIDE, colours, size
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from conftest import DEVELOPMENT, Site
from core.tests.waiting import wait_until

# In production there are no such pages.
pytestmark = pytest.mark.parametrize("site", [DEVELOPMENT], indirect=True, ids=["development"])

EMAIL, PASSWORD = "user@example.com", "Try-it-0ut-now"
CONTRAST = """
const luminance = color => {
  const channels = color.match(/[\\d.]+/g).slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2];
};
const background = element => {
  for (; element; element = element.parentElement) {
    const color = getComputedStyle(element).backgroundColor;
    if (color !== 'rgba(0, 0, 0, 0)') return color;
  }
  return 'rgb(255, 255, 255)';
};
return [...document.querySelectorAll('main *')].filter(element => element.innerText).map(element => {
  const [light, dark] = [getComputedStyle(element).color, background(element)].map(luminance).sort((a, b) => b - a);
  return [(light + 0.05) / (dark + 0.05), element.outerHTML.slice(0, 80)];
}).filter(([ratio]) => ratio < 4.5);
"""


@pytest.fixture(scope="module")
def url(site: Site, api: int) -> str:
    """Request a reset, and wait until its email is in the inbox."""
    local = f"http://127.0.0.1:{api}"
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"email": EMAIL}).encode()
    request = urllib.request.Request(f"{local}/api/v1/auth/forgot-password", body, headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.status == 202

    def inbox() -> bool:
        with urllib.request.urlopen(f"{local}/dev/mails", timeout=30) as page:
            return b"Reset your password" in page.read()

    wait_until(inbox)
    return site.api


def shown(browser: Chrome, selector: str) -> str:
    """Wait until the element is there, and return its text."""
    element = WebDriverWait(browser, 20).until(lambda _: browser.find_elements(By.CSS_SELECTOR, selector))
    return element[0].text


def open_first(browser: Chrome, address: str, text: str) -> None:
    browser.get(address)
    browser.find_element(By.PARTIAL_LINK_TEXT, text).click()
    assert text in shown(browser, "h1")


def reset_by_the_new_tab(browser: Chrome) -> None:
    """Set the same password, so that the demo login stays."""
    WebDriverWait(browser, 20).until(lambda _: len(browser.window_handles) == 2)
    browser.switch_to.window(browser.window_handles[-1])
    shown(browser, "input[type=password]")
    for field in browser.find_elements(By.CSS_SELECTOR, "input[type=password]"):
        field.send_keys(PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "button").click()
    WebDriverWait(browser, 20).until(
        lambda _: browser.find_elements(By.CSS_SELECTOR, ".notice.done:not([hidden])")
    )


def test_a_reset_is_finished_by_the_link_in_the_email(browser: Chrome, url: str) -> None:
    open_first(browser, f"{url}/dev/mails", "Reset your password")
    browser.switch_to.frame(browser.find_element(By.CSS_SELECTOR, "iframe"))
    browser.find_element(By.CSS_SELECTOR, ".button a").click()

    reset_by_the_new_tab(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_screen_and_are_legible(browser: Chrome, url: str, width: int, scheme: str) -> None:
    size(browser, width)
    colours(browser, scheme)
    browser.get(f"{url}/dev/requests")
    browser.find_element(By.PARTIAL_LINK_TEXT, "forgot-password").click()
    request = browser.current_url
    browser.find_element(By.PARTIAL_LINK_TEXT, "Reset your password").click()
    for page in (browser.current_url, request, f"{url}/dev/mails", f"{url}/dev/requests", url):
        browser.get(page)
        shown(browser, "h1")
        assert browser.execute_script(TOO_WIDE, "html, main *") == [], page
        assert browser.execute_script(CONTRAST) == [], page


def test_no_page_breaks_its_policy(browser: Chrome, url: str) -> None:
    open_first(browser, f"{url}/dev/mails", "Reset your password")
    open_first(browser, f"{url}/dev/requests", "/api/v1/auth/forgot-password")

    assert [entry["message"] for entry in browser.get_log("browser")] == []
