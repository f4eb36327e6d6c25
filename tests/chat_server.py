"""A local server that speaks OpenAI's chat protocol, and fails as real ones do."""

import base64
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from PIL import Image


@dataclass
class Behaviour:
    """How the server answers, and what it was asked.

    Attributes:
        malformed: One answer in so many names no action; 0 for none.
        late: One request in so many is answered too late; 0 for none.
        delay: Seconds of a late answer.
        status: Status of every answer.
        body: Text of every answer; a chat completion if None.
        key: The key that it wants.
    """

    malformed: int = 0
    late: int = 0
    delay: float = 1.0
    status: int = 200
    body: str | None = None
    key: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"malformed": 0, "late": 0})
    lock: Lock = field(default_factory=Lock)

    def answer(self, request: dict[str, Any]) -> tuple[str, bool]:
        """The text of an answer: the first action offered that is no stop, then after three moves a stop."""
        with self.lock:
            self.requests.append(request)
            number = len(self.requests)
            late, malformed = (bool(every) and number % every == 0 for every in (self.late, self.malformed))
            self.counts["late"] += late
            self.counts["malformed"] += malformed and not late
        text = request["messages"][1]["content"][0]["text"]
        _, history, offered = text.splitlines()
        moves = [] if history.endswith(": none") else history.partition(": ")[2].split(", ")
        names = [name for name in offered.partition(": ")[2].split(", ") if name != "stop"]
        name = "stop" if len(moves) >= 3 or not names else names[0]
        return "I am only a language model." if malformed else f"I go on.\nACTION: {name}", late

    def instructions(self) -> list[str]:
        """The instruction of each request."""
        return [each["messages"][1]["content"][0]["text"].splitlines()[0] for each in self.requests]

    def images(self) -> list[Image.Image]:
        """The images of all requests."""
        parts = [part for each in self.requests for part in each["messages"][1]["content"]]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        return [Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2]))) for url in urls]


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """Serve; gives the address that the agent is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = behaviour.status
            if behaviour.key and self.headers.get("Authorization") != f"Bearer {behaviour.key}":
                status = 401
            if self.path != "/v1/chat/completions":
                status = 404
            text, late = behaviour.answer(request)
            if late:
                time.sleep(behaviour.delay)
            completion = {"choices": [{"message": {"role": "assistant", "content": text}}]}
            body = (json.dumps(completion) if behaviour.body is None else behaviour.body).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:  # the client has given up
                pass

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
