"""An OpenID provider on loopback that consents to everything: in a thread, or as a process.

`python -m accounts.oidc.tests.provider PORT` runs it until it is terminated.
"""

import base64
import hashlib
import json
import secrets
import sys
import threading
import time
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from accounts.oidc.configuration import Provider
from core.tests.ports import free_port

CLIENT_ID, CLIENT_SECRET = "app", "only for tests: +/%"
REDIRECT_URI = "https://app.example.com/signed-in"
ANN = {"sub": "ann-1", "email": "ann@example.com", "email_verified": True, "name": "Ann Able"}


@cache
def rsa_key(number, bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        self.handle_request(path, query)

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.handle_request(self.path, dict(parse_qsl(content.decode())))

    def handle_request(self, path, values):
        server = self.server
        server.paths.append(path)
        if path == server.silent_path:
            server.released.wait(30)
        status, answer, headers = server.answers.get(path) or server.answer(path, values, self.headers)
        sent = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_arguments):
        """Log nothing."""


class OidcProvider(ThreadingHTTPServer):
    """`person` is the account that consents; `claims` replace those of the ID token, None leaves one out."""

    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port or free_port()), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.person, self.claims = dict(ANN), {}
        self.codes, self.paths, self.answers = {}, [], {}
        self.silent_path, self.released = None, threading.Event()
        self.number, self.sign, self.info = 1, self.signed, None

    def handle_error(self, *_arguments):
        """Ignore connections that the client has closed."""

    @property
    def settings(self):
        return Provider("acme", "Acme", self.issuer, CLIENT_ID, CLIENT_SECRET, (REDIRECT_URI,))

    @property
    def kid(self):
        return f"key-{self.number}"

    @property
    def key(self):
        return rsa_key(self.number)

    def rotate(self):
        self.number += 1

    def jwk(self):
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "use": "sig", "alg": "RS256"}

    def answer(self, path, values, headers):
        served = {
            "/.well-known/openid-configuration": self.discovery,
            "/jwks": lambda *_: (200, {"keys": [self.jwk()]}, {}),
            "/authorize": self.authorize,
            "/token": self.token,
            "/userinfo": lambda *_: (200, self.info, {}),
        }
        return served[path](values, headers) if path in served else (404, {}, {})

    def discovery(self, _values, _headers):
        names = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        endpoints = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in names.items()}
        return 200, {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks", **endpoints}, {}

    def authorize(self, values, _headers):
        """Consent at once, and send the browser back."""
        expected = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        if not expected.items() <= values.items() or "openid" not in values["scope"].split():
            return 400, {"error": "invalid_request"}, {}
        code = secrets.token_urlsafe(16)
        self.codes[code] = values
        query = urlencode({"code": code, "state": values["state"]})
        return 302, {}, {"Location": f"{values['redirect_uri']}?{query}"}

    def token(self, values, headers):
        user = "app:only+for+tests%3A+%2B%2F%25"  # form-encoded (RFC 6749, 2.3.1)
        if headers["Authorization"] != f"Basic {base64.b64encode(user.encode()).decode()}":
            return 401, {"error": "invalid_client"}, {}
        asked = self.codes.pop(values.get("code"), None)
        challenge = hashlib.sha256(values.get("code_verifier", "").encode()).digest()
        if (
            asked is None
            or values.get("redirect_uri") != asked["redirect_uri"]
            or base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}, {}
        tokens = {"access_token": "opaque", "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])}
        return 200, tokens, {}

    def id_token(self, nonce):
        now = int(time.time())
        basic = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        claims = {**basic, **self.person, **self.claims}
        return self.sign({name: value for name, value in claims.items() if value is not None})

    def signed(self, claims):
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid})

    def consent(self, url):
        """Return {code, state} of the redirect, as the browser that visits the URL gets it."""
        parts = urlsplit(url)
        connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
        connection.request("GET", f"{parts.path}?{parts.query}")
        location = connection.getresponse().headers["Location"]
        connection.close()
        assert location.startswith(f"{REDIRECT_URI}?")
        return {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}


@contextmanager
def running_provider():
    with OidcProvider() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join(20)


if __name__ == "__main__":
    OidcProvider(int(sys.argv[1])).serve_forever()
