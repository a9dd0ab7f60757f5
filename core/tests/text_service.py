"""A service with the API of OpenAI (`POST /v1/chat/completions`) on loopback: in a thread, or as a process.

`python -m core.tests.text_service PORT` runs it until it is terminated.
"""

import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from core.tests.ports import free_port

KEY = "sk-only-for-tests"
PATH = "/v1/chat/completions"


def refusal(request):
    """Return what OpenAI refuses a request for, or None."""
    if request["path"] != PATH:
        return 404, "unknown_url"
    if request["headers"].get("Authorization") != f"Bearer {KEY}":
        return 401, "invalid_api_key"
    body = request["body"]
    if not isinstance(body.get("model"), str):
        return 400, "missing_model"
    roles = [message["role"] for message in body.get("messages", []) if isinstance(message["content"], str)]
    return None if roles == ["system", "user"] else (400, "invalid_messages")


def completion(request):
    text = request["body"]["messages"][-1]["content"]
    message = {"role": "assistant", "content": f"About {text.split()[0]}, in {len(text)} characters."}
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        request = {"path": self.path, "headers": dict(self.headers), "body": json.loads(content)}
        self.server.requests.append(request)
        refused = refusal(request)
        if refused:
            status, answer = refused[0], {"error": {"code": refused[1], "message": refused[1]}}
        else:
            status, answer = self.server.answer(request)
        sent = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_arguments):
        """Log nothing."""


class TextService(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port or free_port()), Handler)
        self.requests = []
        self.answer = lambda request: (200, completion(request))
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


@contextmanager
def text_service():
    with TextService() as service:
        thread = threading.Thread(target=service.serve_forever, daemon=True)
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join(20)


if __name__ == "__main__":
    TextService(int(sys.argv[1])).serve_forever()
