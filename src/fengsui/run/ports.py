"""Is a port free?  If not, one clear line that names the setting to change."""

import errno
import socket


class PortBusy(Exception):
    """The message names the port, why it cannot be used and the setting that changes it."""


def require_free(host: str, port: int, setting: str) -> None:
    """Raises PortBusy unless ``host:port`` can be listened on now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = f"port {port} is busy: stop what uses it"
            elif error.errno == errno.EACCES:
                why = f"port {port} needs root"
            else:
                why = f"cannot listen on {host}:{port} ({error.strerror})"
            raise PortBusy(f"{why}, or set {setting} to another port") from None
