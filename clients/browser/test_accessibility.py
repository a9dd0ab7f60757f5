"""Every kind of page under axe (WCAG 2.2 A and AA, best practices): a large light screen, and a small dark one."""

from pathlib import Path

import pytest
from screens import colours, size
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from conftest import DEVELOPMENT, Site

# In production the pages are the same, and need `collectstatic`.
pytestmark = pytest.mark.parametrize("site", [DEVELOPMENT], indirect=True, ids=["development"])

AXE = Path(__file__).resolve().parent.parent / "node_modules" / "axe-core" / "axe.min.js"
EMAIL, PASSWORD = "admin@example.com", "Try-it-0ut-now"
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then(
  ({violations}) => done(violations.map(({id, nodes}) => `${id}: ${nodes.map(node => node.html.slice(0, 99)).join()}`)),
  error => done([String(error)]));
"""
PUBLIC = (
    "/",
    "/account/forgot-password",
    "/account/reset-password?token=x",
    "/account/verify-email?token=x",
    "/account/undelete?token=x",
    "/account/not-me?token=x",
    "/errors/VALIDATION_ERROR",
    "/nosuch",
    "/dev/mails",
    "/dev/requests",
)
STAFF = (
    "",
    "accounts/user/",
    "accounts/user/add/",
    "core_outbox/outboxmessage/",
    "core_jobs/job/",
    "core_audit/auditevent/",
    "search/?q=user%40example.com",
)


@pytest.fixture
def violations(browser: Chrome):
    """Return what axe finds on a page, on both screens."""
    source = AXE.read_text()

    def check(address: str) -> list[str]:
        results: list[str] = []
        for width, scheme in ((1280, "light"), (390, "dark")):
            size(browser, width)
            colours(browser, scheme)
            browser.get(address)
            browser.execute_script(source)
            results += [f"{width} {scheme} {text}" for text in browser.execute_async_script(RUN)]
        return results

    return check


@pytest.mark.parametrize("path", PUBLIC)
def test_a_page_for_everybody(violations, site: Site, path: str) -> None:
    assert violations(f"{site.api}{path}") == []


def test_the_pages_of_staff(violations, browser: Chrome, site: Site) -> None:
    admin = f"{site.api}/admin/"
    browser.get(admin)
    browser.find_element(By.NAME, "username").send_keys(EMAIL)
    browser.find_element(By.NAME, "password").send_keys(PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    WebDriverWait(browser, 20).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#sign-ups"))
    browser.get(f"{admin}accounts/user/")
    user = browser.find_element(By.CSS_SELECTOR, "#result_list tbody th a").get_attribute("href")

    assert {
        page: problems
        for page in (*(f"{admin}{path}" for path in STAFF), user)
        if (problems := violations(page))
    } == {}
