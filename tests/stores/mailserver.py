"""A mail server for tests: enough of SMTP (RFC 5321) to take messages, with TLS from the start or by STARTTLS."""

import socketserver
import ssl
import threading


class MailServer:
    """``mails`` is what it took, ``logins`` the lines of AUTH and whether they came over TLS."""

    def __init__(self, context: ssl.SSLContext | None = None, *, implicit: bool = False) -> None:
        mails, logins = self.mails, self.logins = [], []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    self.talk()
                except (ssl.SSLError, ConnectionError):
                    pass  # the other side did not like our certificate

            def secure(self) -> None:
                self.request = context.wrap_socket(self.request, server_side=True)
                self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)

            def talk(self) -> None:
                if implicit:
                    self.secure()
                self.wfile.write(b"220 test\r\n")
                while line := self.rfile.readline():
                    word = line[:4].upper()
                    if word == b"EHLO":
                        more = b"250-STARTTLS\r\n" if context and not self.is_secure() else b""
                        self.wfile.write(b"250-test\r\n" + more)
                        self.wfile.write(b"250 AUTH PLAIN\r\n")
                        continue
                    if word == b"STAR":
                        self.wfile.write(b"220 go on\r\n")
                        self.secure()
                        continue
                    if word == b"AUTH":
                        logins.append((line, self.is_secure()))
                        self.wfile.write(b"235 ok\r\n")
                        continue
                    if word == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        lines = []
                        while (line := self.rfile.readline()) != b".\r\n":
                            lines.append(line)
                        mails.append(b"".join(lines).decode())
                    elif word == b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    self.wfile.write(b"250 ok\r\n")

            def is_secure(self) -> bool:
                return isinstance(self.request, ssl.SSLSocket)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
