"""The admin in a real browser: what runs under its Content-Security-Policy, and what fits the screen."""

import pytest
from screens import TOO_WIDE, size
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from conftest import DEVELOPMENT, Site

# In production the pages need `collectstatic`, and are the same.
pytestmark = pytest.mark.parametrize("site", [DEVELOPMENT], indirect=True, ids=["development"])

EMAIL, PASSWORD = "admin@example.com", "Try-it-0ut-now"
LISTS = (
    "accounts/user",
    "accounts/session",
    "core_outbox/outboxmessage",
    "core_jobs/job",
    "core_audit/auditevent",
)


def shown(browser: Chrome, selector: str) -> str:
    """Wait until the element is there, and return its text."""
    element = WebDriverWait(browser, 20).until(lambda _: browser.find_elements(By.CSS_SELECTOR, selector))
    return element[0].text


@pytest.fixture
def address(site: Site) -> str:
    return f"{site.api}/admin/"


@pytest.fixture
def office(browser: Chrome, address: str) -> Chrome:
    """Log in with the browser."""
    size(browser, 1280)
    browser.get(address)
    browser.find_element(By.NAME, "username").send_keys(EMAIL)
    browser.find_element(By.NAME, "password").send_keys(PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    assert "Sign-ups" in shown(browser, "#sign-ups")
    return browser


def open_user(browser: Chrome, address: str) -> None:
    """Search for the demo user in the header, and open the page."""
    browser.get(address)
    box = browser.find_element(By.CSS_SELECTOR, ".global-search input")
    box.send_keys("user@example.com")
    box.submit()
    shown(browser, ".search-results .panel")
    browser.find_element(By.LINK_TEXT, "user@example.com").click()
    shown(browser, ".row-buttons")


def press(browser: Chrome, label: str) -> None:
    """Press a button of the page of a user, and confirm."""
    browser.find_element(By.LINK_TEXT, label).click()
    assert label in shown(browser, ".row-action h1")
    browser.find_element(
        By.CSS_SELECTOR, ".row-action form[method=post]:not(#logout-form) [type=submit]"
    ).click()


def test_an_account_is_suspended_and_unsuspended_by_buttons(office: Chrome, address: str) -> None:
    open_user(office, address)
    press(office, "Suspend")
    assert shown(office, ".messagelist .success") == "User@example.com: Suspended."

    press(office, "Unsuspend")
    assert shown(office, ".messagelist .success") == "User@example.com: Unsuspended."


def test_no_page_breaks_its_policy(office: Chrome, address: str) -> None:
    open_user(office, address)
    pages = ["", "search/?q=user@example.com", "checks/", *(f"{path}/" for path in LISTS)]
    for page in pages:
        office.get(f"{address}{page}")
        shown(office, "#content")

    assert [entry["message"] for entry in office.get_log("browser")] == []


def test_lists_and_tables_fit_a_screen_of_1280_pixels(office: Chrome, address: str) -> None:
    for path in LISTS:
        office.get(f"{address}{path}/")
        shown(office, "#changelist")
        assert office.execute_script(TOO_WIDE, "html, .results") == [], path
    open_user(office, address)
    assert office.execute_script(TOO_WIDE, "html, .panel-table") == []


def test_no_page_is_wider_than_a_phone(office: Chrome, address: str) -> None:
    size(office, 390)
    open_user(office, address)
    assert office.execute_script(TOO_WIDE, "html") == []
    for page in ("", "search/?q=user@example.com", "checks/", "accounts/user/"):
        office.get(f"{address}{page}")
        shown(office, "#content")
        assert office.execute_script(TOO_WIDE, "html") == [], page
