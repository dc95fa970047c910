"""A mail server and a gateway of text messages that really listen, keep what they got, and can refuse."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Gateway:
    """A webhook; ``posts`` is (headers, body) of each.  It answers ``answer``; ``on_post`` is called first."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.answer = 200
        self.on_post = lambda: None
        this = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                this.posts.append((dict(self.headers), body))
                this.on_post()
                self.send_response(this.answer)
                self.end_headers()
                self.wfile.write(json.dumps({"receipt": f"r{len(this.posts)}"}).encode())

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/sms"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _headers, body in self.posts]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
