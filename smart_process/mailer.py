"""Sending mail: one verified connection for many mails, and for each an honest word on what became of it.

A mail cut before its final dot was not taken and may be sent again; after the dot only an answer tells.
Without one it is :class:`Possibly` delivered and never repeated by itself.
"""

from __future__ import annotations

import ipaddress
import select
import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from types import TracebackType

from b24.secrets import Secrets
from smart_process.people import email_of
from smart_process.settings import Smtp

STEP_S = 30.0
"""How long connecting and each command may take."""
ANSWER_S = 90.0
"""How long a server may take to answer the final dot: it may be filtering."""


@dataclass(frozen=True)
class Sent:
    """The server answered that it took the mail."""

    answer: str


@dataclass(frozen=True)
class Refused:
    """The server will never take this mail (no such mailbox, …); others may pass."""

    reason: str


@dataclass(frozen=True)
class Later:
    """It certainly was not taken; trying again makes sense (greylisting, a cut before the final dot)."""

    reason: str


@dataclass(frozen=True)
class Possibly:
    """It left and no answer came."""

    reason: str


Result = Sent | Refused | Later | Possibly


class Unreachable(Exception):
    """No mail can leave now; the server may be back later."""


class SetupWrong(Exception):
    """No mail can leave before an administrator corrects the settings; the text says what."""


def mailer_for(smtp: Smtp, secrets: Secrets, *, local: bool) -> Mailer:
    """The mailer of a portal's settings; it connects with the first mail.

    Raises:
        SetupWrong: no server entered, or no sender that is an address.
    """
    if not smtp.host:
        raise SetupWrong("не указан почтовый сервер")
    if email_of(smtp.from_address) != smtp.from_address.lower() or not smtp.from_address:
        raise SetupWrong(f"«{smtp.from_address}» – не адрес отправителя")
    return Mailer(smtp, secrets.decrypt(smtp.password) if smtp.password else "", local=local)


class Mailer:
    """One connection to one SMTP server; use as a context manager, from one thread.

    Args:
        password: in plain text.
        local: a server on this machine is allowed, also without TLS (demo only). Otherwise only public
            addresses and verified TLS are.
        context: how TLS is verified; the system's authorities by default.
    """

    def __init__(
        self,
        smtp: Smtp,
        password: str,
        *,
        local: bool,
        context: ssl.SSLContext | None = None,
        step_s: float = STEP_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._smtp, self._password, self._local = smtp, password, local
        self._context = context or ssl.create_default_context()
        self._step_s, self._answer_s = step_s, answer_s
        self._open: _Connection | None = None

    def __enter__(self) -> Mailer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye and hang up."""
        if self._open:
            with suppress(OSError, smtplib.SMTPException):
                self._open.quit()
        self._drop()

    def send(self, message: EmailMessage, to: str) -> Result:
        """Send one mail to one address (ASCII).

        Raises:
            Unreachable: no connection, so nothing left.
            SetupWrong: the server refuses us, our sender or our password; nothing left.
        """
        fresh = self._open is None
        connection = self._connected()
        try:
            refused = self._envelope(connection, to)
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            if fresh:
                return Later(_words(error))
            # A server may hang up on an idle or busy connection; nothing of this mail had left.
            return self.send(message, to)
        if refused:
            return refused
        return self._content(connection, message.as_bytes(policy=policy.SMTP))

    def _envelope(self, connection: _Connection, to: str) -> Result | None:
        code, answer = connection.mail(self._smtp.from_address)
        if code == 421:
            raise smtplib.SMTPServerDisconnected(_text(code, answer))
        if code >= 500:
            raise SetupWrong(
                f"сервер не принимает отправителя {self._smtp.from_address}: {_text(code, answer)}"
            )
        if code == 250:
            code, answer = connection.rcpt(to)
        if code in (250, 251):
            code, answer = connection.docmd("DATA")
        return None if code == 354 else self._turned_down(connection, code, answer)

    def _turned_down(self, connection: _Connection, code: int, answer: bytes) -> Result:
        with suppress(OSError, smtplib.SMTPException):
            connection.rset()
        return Refused(_text(code, answer)) if code >= 500 else Later(_text(code, answer))

    def _content(self, connection: _Connection, data: bytes) -> Result:
        body = b"".join(
            (b"." + line if line.startswith(b".") else line) for line in data.splitlines(keepends=True)
        )
        try:
            connection.sendall(body if body.endswith(b"\r\n") else body + b"\r\n")
            if connection.hung_up():
                raise ConnectionResetError("the server hung up")
        except OSError as error:
            self._drop()
            return Later(_words(error))
        return self._dot(connection)

    def _dot(self, connection: _Connection) -> Result:
        try:
            connection.wait(self._answer_s)
            connection.sendall(b".\r\n")
            code, answer = connection.getreply()
            connection.wait(self._step_s)
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            return Possibly(_words(error))
        if 200 <= code < 300:
            return Sent(_text(code, answer))
        if code < 400:
            self._drop()
            return Possibly(_text(code, answer))
        return Refused(_text(code, answer)) if code >= 500 else Later(_text(code, answer))

    def _connected(self) -> _Connection:
        if self._open is None:
            address = _address(self._smtp.host, self._smtp.port, self._local)
            if self._smtp.tls == "none" and not _is_loopback(address):
                raise SetupWrong("почта отправляется только по TLS")
            try:
                self._open = self._connect(address)
            except ssl.SSLCertVerificationError as error:
                raise SetupWrong(f"сертификат сервера не проверяется: {error.verify_message}") from error
            except (OSError, smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError) as error:
                raise Unreachable(_words(error)) from error
        return self._open

    def _connect(self, address: str) -> _Connection:
        implicit = self._context if self._smtp.tls == "tls" else None
        connection = _Connection(self._smtp, address, implicit, self._step_s)
        try:
            connection.greet()
            if self._smtp.tls == "starttls":
                connection.starttls(context=self._context)
                connection.ehlo()
            if self._smtp.user:
                connection.login(self._smtp.user, self._password)
        except BaseException as error:
            connection.close()
            if isinstance(error, smtplib.SMTPResponseException) and 400 <= error.smtp_code < 500:
                raise Unreachable(_words(error)) from error
            if isinstance(error, smtplib.SMTPException) and not isinstance(
                error, smtplib.SMTPServerDisconnected
            ):
                raise SetupWrong(_words(error)) from error
            raise
        return connection

    def _drop(self) -> None:
        if self._open:
            self._open.close()
        self._open = None


class _Connection(smtplib.SMTP):
    """smtplib's client, tied to an address that was checked: a name could be resolved anew to another one."""

    def __init__(self, smtp: Smtp, address: str, implicit: ssl.SSLContext | None, step_s: float) -> None:
        self._address, self._implicit = address, implicit
        # Our own name would cost a look-up in DNS.
        own_name = smtp.from_address.rpartition("@")[2].encode("idna").decode()
        super().__init__(timeout=step_s, local_hostname=own_name)
        self._port, self._host = smtp.port, smtp.host

    def greet(self) -> None:
        code, answer = self.connect(self._host, self._port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, answer)
        self.ehlo_or_helo_if_needed()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((self._address, port), timeout)
        if self._implicit is None:
            return plain
        try:
            return self._implicit.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise

    def sendall(self, data: bytes) -> None:
        if self.sock is None:
            raise ConnectionResetError("not connected")
        self.sock.sendall(data)

    def wait(self, seconds: float) -> None:
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def hung_up(self) -> bool:
        """Whether the server closed its side: then the dot would go nowhere."""
        if self.sock is None or not hasattr(select, "poll"):
            return self.sock is None
        gone = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
        poll = select.poll()
        poll.register(self.sock, gone)
        return any(happened & gone for _fd, happened in poll.poll(0))


def _address(host: str, port: int, local: bool) -> str:
    """One address of a server, after all were checked: what is entered must not reach into our network."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{host}: {_words(error)}") from error
    addresses = [str(entry[4][0]).split("%")[0] for entry in found]
    for one in addresses:
        if not (ipaddress.ip_address(one).is_global or (local and _is_loopback(one))):
            raise SetupWrong(f"{host} – не публичный адрес")
    # IPv4 first: many a server has an IPv6 address and no way to it.
    return min(addresses, key=lambda one: ":" in one)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _text(code: int, answer: bytes) -> str:
    return f"{code} {answer.decode('utf-8', 'replace')}"[:300]


def _words(error: BaseException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        answer = error.smtp_error
        return _text(error.smtp_code, answer if isinstance(answer, bytes) else str(answer).encode())
    return f"{type(error).__name__}: {error}"[:300]
