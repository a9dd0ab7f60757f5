"""The client of docs/api.md in a real browser, from another origin than the API's."""

from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from conftest import DEVELOPMENT, Site

EMAIL, PASSWORD = "user@example.com", "Try-it-0ut-now"


def seen(browser: Chrome, selector: str) -> str:
    """Wait until the element is shown with a text, and return the text."""

    def shown(_browser: Chrome) -> str:
        element = browser.find_element(By.CSS_SELECTOR, selector)
        return element.text if element.is_displayed() else ""

    waiting = WebDriverWait(
        browser, 20, ignored_exceptions=[WebDriverException]
    )  # while a page is being replaced
    return waiting.until(shown, f"{selector} is not shown")


def log_in(browser: Chrome) -> None:
    assert "Log in" in seen(browser, "#login")
    browser.find_element(By.NAME, "email").send_keys(EMAIL)
    browser.find_element(By.NAME, "password").send_keys(PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "#login button").click()


def upload(browser: Chrome, path: Path) -> None:
    browser.find_element(By.NAME, "file").send_keys(str(path))
    browser.find_element(By.CSS_SELECTOR, "#upload button").click()


@pytest.fixture
def address(site: Site) -> str:
    return f"{site.page}/client.html"


@pytest.fixture
def client(browser: Chrome, address: str) -> Chrome:
    """Log in with the browser."""
    browser.get(address)
    log_in(browser)
    assert seen(browser, "#name") == "Demo User"
    return browser


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("Bread, cheese")
    return path


def cookies(browser: Chrome) -> dict[str, str]:
    """Return the names of all cookies of the browser, with their paths."""
    stored = browser.execute_cdp_cmd("Storage.getCookies", {})["cookies"]
    return {cookie["name"]: cookie["path"] for cookie in stored}


def let_expire(browser: Chrome, site: Site) -> None:
    """Take the access cookie away, as the browser does by its age."""
    browser.execute_cdp_cmd("Network.deleteCookies", {"name": site.access_cookie, "url": site.api})
    assert site.access_cookie not in cookies(browser)


def test_a_reloaded_page_goes_on(client: Chrome) -> None:
    client.refresh()

    assert seen(client, "#name") == "Demo User"


def test_the_browser_takes_the_cookies_and_scripts_see_no_token(client: Chrome, site: Site) -> None:
    held = cookies(client)

    assert (held[site.access_cookie], held[site.refresh_cookie]) == ("/", "/api/v1/auth")
    readable = client.execute_script("return document.cookie")
    assert site.access_cookie not in readable
    assert site.refresh_cookie not in readable


def test_an_upload_after_the_access_cookie_has_expired(client: Chrome, site: Site, notes: Path) -> None:
    let_expire(client, site)
    upload(client, notes)

    assert seen(client, "#files a") == "notes.txt"
    assert site.access_cookie in cookies(client)


def test_a_reload_after_the_access_cookie_has_expired(client: Chrome, site: Site, notes: Path) -> None:
    let_expire(client, site)
    client.refresh()
    assert seen(client, "#name") == "Demo User"

    upload(client, notes)
    assert seen(client, "#files a") == "notes.txt"


def test_two_tabs_refresh_and_go_on(client: Chrome, site: Site, address: str, notes: Path) -> None:
    client.switch_to.new_window("tab")
    client.get(address)
    assert seen(client, "#name") == "Demo User"
    let_expire(client, site)

    for tab in client.window_handles:  # the click returns before the response, so the refreshes overlap
        client.switch_to.window(tab)
        upload(client, notes)

    for tab in client.window_handles:
        client.switch_to.window(tab)
        assert seen(client, "#files a") == "notes.txt"


@pytest.mark.parametrize("access", ["live", "expired", "gone"])
def test_log_out_ends_it_for_good(client: Chrome, site: Site, access: str) -> None:
    if access == "expired":
        let_expire(client, site)
    if access == "gone":
        client.delete_all_cookies()
    client.find_element(By.ID, "logout").click()

    assert "Log in" in seen(client, "#login")
    assert client.find_element(By.ID, "name").get_attribute("textContent") == ""
    assert cookies(client) == {}
    client.refresh()
    assert "Log in" in seen(client, "#login")


def test_a_wrong_password_shows_the_error(browser: Chrome, address: str) -> None:
    browser.get(address)
    assert "Log in" in seen(browser, "#login")
    browser.find_element(By.NAME, "email").send_keys("nobody@example.com")
    browser.find_element(By.NAME, "password").send_keys("wrong")
    browser.find_element(By.CSS_SELECTOR, "#login button").click()

    assert seen(browser, "#problem") == "The email or the password is wrong."


POST_A_FORM = """
const form = Object.assign(document.createElement("form"), { method: "POST", action: arguments[0] });
document.body.append(form);
form.submit();
"""


def test_a_page_of_another_site_reads_and_ends_nothing(
    client: Chrome, site: Site, address: str, page: int
) -> None:
    scheme = "http" if site is DEVELOPMENT else "https"
    client.get(f"{scheme}://127.0.0.1:{page}/client.html")
    assert seen(client, "#problem") == "Failed to fetch"
    client.execute_script(POST_A_FORM, f"{site.api}/api/v1/auth/logout")
    assert "CSRF_FAILED" in seen(client, "body")

    client.get(address)
    assert seen(client, "#name") == "Demo User"
