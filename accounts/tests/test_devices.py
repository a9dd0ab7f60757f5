import pytest

from accounts.devices import device_name

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"{WEBKIT} Chrome/131.0.0.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
            "Firefox on Windows",
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/131.0.0.0",
            "Edge on Windows",
        ),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36", "Chrome on Chrome OS"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36", "Chrome on Android"),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/17.6 Safari/605.1.15",
            "Safari on macOS",
        ),
        (f"{IPHONE} Version/17.6 Mobile/15E148 Safari/604.1", "Safari on iOS"),
        (f"{IPHONE} CriOS/131.0 Mobile/15E148 Safari/604.1", "Chrome on iOS"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32.3", "python-requests"),
        ("okhttp/4.12.0", "okhttp"),
        ("Dart/3.5 (dart:io)", "Dart"),
        ("Acme Notes/2.1 (com.acme.notes; build:7; iOS 17.4.0) Alamofire/5.9.1", "Acme Notes on iOS"),
        ("MyApp/42 CFNetwork/1568.100.1 Darwin/24.0.0", "MyApp on iOS"),
        ("node", "node"),
        ("", "an unknown device"),
        ("   ", "an unknown device"),
        ("(comment only)", "an unknown device"),
        ("Mozilla/5.0", "an unknown device"),
        ("x" * 400, "x" * 40),
        ("\u202eevil", "evil"),
        ("ev\u200bil\u2066\u00a0/1.0", "ev il"),
        ("Mozilla/5.0 (compatible; \u202eevilbot/1.0)", "evilbot"),
        ("\u202e\u3164/1.0", "an unknown device"),
    ],
)
def test_a_device_is_named_in_words(user_agent, name):
    assert device_name(user_agent) == name
