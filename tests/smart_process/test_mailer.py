from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from b24.secrets import Secrets
from smart_process.mailer import (
    Later,
    Mailer,
    Possibly,
    Refused,
    Sent,
    SetupWrong,
    Unreachable,
    mailer_for,
)
from smart_process.settings import Smtp
from tests.mail_server import Mailbox, free_port, mail_server, scripted_server

HERE = Smtp(host="127.0.0.1", tls="none", from_address="events@vodoley.example")


def letter(text: str = "Здравствуйте!") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "events@vodoley.example", "a@x.kz", "Билет"
    message.set_content(text, cte="quoted-printable")
    return message


def mailer(port: int, answer_s: float = 5, **values: object) -> Mailer:
    smtp = replace(HERE, port=port, **values)  # type: ignore[arg-type]
    return Mailer(smtp, "right", local=True, step_s=5, answer_s=answer_s)


def test_many_mails_leave_through_one_connection() -> None:
    box = Mailbox()
    with mail_server(box) as port, mailer(port) as sender:
        results = [sender.send(letter(f"письмо {n}"), "a@x.kz") for n in range(5)]
    assert all(isinstance(one, Sent) for one in results)
    assert [one.get_content().strip() for one in box.messages] == [f"письмо {n}" for n in range(5)]
    assert box.connections == 1


def test_lines_that_start_with_a_dot_arrive_as_they_were() -> None:
    box, text = Mailbox(), ".\r\n..\r\n.env\r\nend"
    with mail_server(box) as port, mailer(port) as sender:
        assert isinstance(sender.send(letter(text), "a@x.kz"), Sent)
    assert box.messages[0].get_content().split() == [".", "..", ".env", "end"]


@pytest.mark.parametrize(
    ("answer", "expected"), [("550 no such mailbox", Refused), ("451 come back later", Later)]
)
def test_a_refused_address_does_not_stop_the_others(answer: str, expected: type) -> None:
    box = Mailbox(refuse={"gone@x.kz": answer})
    with mail_server(box) as port, mailer(port) as sender:
        assert sender.send(letter(), "gone@x.kz") == expected(answer)
        assert isinstance(sender.send(letter(), "a@x.kz"), Sent)
    assert (len(box.messages), box.connections) == (1, 1)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({"MAIL": None}, Later),
        ({"RCPT": None}, Later),
        ({"DATA": None}, Later),
        ({"DATA": "554 no"}, Refused),
        ({"DATA": "451 busy"}, Later),
        ({"body": None}, Later),
        ({".": None}, Possibly),
        ({".": ""}, Possibly),
        ({".": "nonsense"}, Possibly),
        ({".": "250 taken"}, Sent),
        ({".": "452 full"}, Later),
        ({".": "554 spam"}, Refused),
        ({"MAIL": "421 closing"}, Later),
        ({"MAIL": "450 slow down"}, Later),
    ],
)
def test_what_became_of_a_mail_depends_on_where_it_was_cut(
    script: dict[str, str | None], expected: type
) -> None:
    # Larger than any socket buffer: a cut inside the body is noticed while it is being sent.
    text = "строка\n" * 400_000 if script == {"body": None} else "Здравствуйте!"
    with scripted_server(script) as port, mailer(port, answer_s=0.5) as sender:
        assert type(sender.send(letter(text), "a@x.kz")) is expected


def test_a_server_that_hung_up_between_two_mails_is_called_again() -> None:
    with scripted_server({".": "250 taken", "MAIL": "250 ok"}) as port, mailer(port) as sender:
        assert isinstance(sender.send(letter(), "a@x.kz"), Sent)
        assert sender._open is not None
        sender._open.close()
        assert isinstance(sender.send(letter(), "a@x.kz"), Sent)


def test_nobody_listening_is_unreachable() -> None:
    with mailer(free_port()) as sender, pytest.raises(Unreachable):
        sender.send(letter(), "a@x.kz")


@pytest.mark.parametrize("greeting", [None, "554 go away", "421 busy"])
def test_a_server_that_does_not_greet_is_unreachable(greeting: str | None) -> None:
    with (
        scripted_server({"connect": greeting}) as port,
        mailer(port) as sender,
        pytest.raises((Unreachable, SetupWrong)),
    ):
        sender.send(letter(), "a@x.kz")


def test_a_refused_sender_is_for_the_administrator() -> None:
    with (
        scripted_server({"MAIL": "553 not yours"}) as port,
        mailer(port) as sender,
        pytest.raises(SetupWrong, match="553 not yours"),
    ):
        sender.send(letter(), "a@x.kz")


@pytest.mark.parametrize(
    ("smtp", "why"),
    [
        (replace(HERE, host="127.0.0.1"), "не публичный"),
        (replace(HERE, host="localhost", tls="starttls"), "не публичный"),
        (replace(HERE, host="10.0.0.5", tls="tls"), "не публичный"),
        (replace(HERE, host="169.254.169.254", tls="tls"), "не публичный"),
        (replace(HERE, host="::1", tls="tls"), "не публичный"),
        (replace(HERE, host="0.0.0.0", tls="tls"), "не публичный"),
        (replace(HERE, host="8.8.8.8", tls="none"), "только по TLS"),
    ],
)
def test_mail_never_goes_inside_our_network_or_without_tls(
    smtp: Smtp, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolved(host: str, port: int, **_how: object) -> list[object]:
        return [(2, 1, 6, "", ("127.0.0.1" if host == "localhost" else host, port))]

    monkeypatch.setattr("socket.getaddrinfo", resolved)
    with Mailer(smtp, "", local=False) as sender, pytest.raises(SetupWrong, match=why):
        sender.send(letter(), "a@x.kz")


@pytest.mark.parametrize(
    ("smtp", "why"),
    [
        (Smtp(from_address="a@x.kz"), "сервер"),
        (replace(HERE, from_address=""), "отправителя"),
        (replace(HERE, from_address="Водолей"), "отправителя"),
        (replace(HERE, from_address="a@x.kz, b@x.kz"), "отправителя"),
    ],
)
def test_incomplete_settings_say_what_is_missing(smtp: Smtp, why: str) -> None:
    with pytest.raises(SetupWrong, match=why):
        mailer_for(smtp, Secrets(["k" * 40]), local=True)


def test_the_password_is_decrypted_for_the_connection() -> None:
    box, secrets = Mailbox(), Secrets(["k" * 40])
    with mail_server(box, authenticator=box.login, auth_require_tls=False) as port:
        smtp = replace(HERE, port=port, user="robot", password=secrets.encrypt("right"))
        with mailer_for(smtp, secrets, local=True) as sender:
            assert isinstance(sender.send(letter(), "a@x.kz"), Sent)
    assert box.logins == ["robot"]


def test_a_wrong_password_is_for_the_administrator() -> None:
    box = Mailbox()
    with mail_server(box, authenticator=box.login, auth_require_tls=False) as port:
        smtp = replace(HERE, port=port, user="robot")
        with Mailer(smtp, "wrong", local=True) as sender, pytest.raises(SetupWrong, match="535"):
            sender.send(letter(), "a@x.kz")


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS context with a fresh certificate for ``name``, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


@pytest.mark.parametrize(
    ("named", "trusted"), [("localhost", True), ("other.example", True), ("localhost", False)]
)
def test_starttls_is_verified(tmp_path: Path, named: str, trusted: bool) -> None:
    server, client = certificate(tmp_path, named)
    box = Mailbox()
    with mail_server(box, server) as port:
        smtp = replace(HERE, host="localhost", port=port, tls="starttls")
        context = client if trusted else ssl.create_default_context()
        with Mailer(smtp, "", local=True, context=context) as sender:
            if named == "localhost" and trusted:
                assert isinstance(sender.send(letter(), "a@x.kz"), Sent)
            else:
                with pytest.raises(SetupWrong, match="сертификат"):
                    sender.send(letter(), "a@x.kz")
    assert len(box.messages) == int(named == "localhost" and trusted)


def test_a_server_without_starttls_gets_no_mail() -> None:
    box = Mailbox()
    with mail_server(box) as port, mailer(port, tls="starttls") as sender, pytest.raises(SetupWrong):
        sender.send(letter(), "a@x.kz")
    assert box.messages == []
