"""Drafts of e-mails: what is in the file, what a repeated call leaves, and the list of attacks."""

import os
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit import Tool, ToolContext, ToolError
from agentkit.errors import ConfigurationError
from agentkit_tools import email
from tests.library.places import HIDDEN, furnished

KEY = ToolContext[object](None, idempotency_key="u/1.1.0")
Made = Tool[object, Any, Any]


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def made(outbox: Path, **options: Any) -> Made:
    (draft,) = email.tools(outbox, **options)
    return draft


def only(outbox: Path) -> EmailMessage:
    (file,) = outbox.iterdir()
    assert file.suffix == ".eml"
    found = message_from_bytes(file.read_bytes(), policy=default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_draft_is_a_file_that_a_mail_program_opens(outbox: Path) -> None:
    draft = made(outbox, sender="shop@example.com")
    told = draft(KEY, ["ann@example.com", "b.o'b+x@sub.example.org"], "Größe ✓", "Hé\n.\nFrom x", ["c@example.com"])
    mail = only(outbox)
    assert told == f"The draft is written: {next(outbox.iterdir()).name}. It is not sent: a person does that."
    assert {name: mail[name] for name in ("From", "To", "Cc", "Subject", "X-Unsent")} == {
        "From": "shop@example.com",
        "To": "ann@example.com, b.o'b+x@sub.example.org",
        "Cc": "c@example.com",
        "Subject": "Größe ✓",
        "X-Unsent": "1",
    }
    assert mail.get_content() == "Hé\r\n.\r\nFrom x\r\n"
    assert (draft.name, draft.effect, draft.declared.needs_approval) == ("draft_email", "idempotent", False)
    assert made(outbox, ask=True).declared.needs_approval is True
    assert "attachments" not in draft.inputs.known


def test_files_of_one_folder_are_attached(tmp_path: Path, outbox: Path) -> None:
    room = furnished(tmp_path)
    (room / "x.pdf").write_bytes(b"\0\1")
    draft = made(outbox, attach=room)
    draft(KEY, ["a@example.com"], "s", "b", None, ["sub/b.md", "x.pdf"])
    mail = only(outbox)
    parts = {part.get_filename(): (part.get_content_type(), part.get_content()) for part in mail.iter_attachments()}
    assert parts["x.pdf"] == ("application/pdf", b"\0\1")
    assert "two more" in str(parts["b.md"][1])
    first = next(outbox.iterdir()).read_bytes()
    next(outbox.iterdir()).unlink()
    draft(KEY, ["a@example.com"], "s", "b", None, ["sub/b.md", "x.pdf"])
    assert next(outbox.iterdir()).read_bytes() == first  # also without the file the call writes the same


def test_a_repeated_call_leaves_what_a_person_changed(outbox: Path) -> None:
    draft = made(outbox)
    first = draft(KEY, ["a@example.com"], "s", "b")
    (file,) = outbox.iterdir()
    file.write_text("changed")
    assert draft(KEY, ["a@example.com"], "s", "b") == first
    assert file.read_text() == "changed"
    draft(ToolContext(None, idempotency_key="u/1.1.1"), ["a@example.com"], "s", "b")
    assert len(list(outbox.iterdir())) == 2


ADDRESSES = [
    *(
        "",
        "ann",
        "ann@",
        "@example.com",
        "a@b",
        "a b@example.com",
        "a@example.com\nBcc: x@example.com",
        "a@exam ple.com",
    ),
    *(
        "Ann <ann@example.com>",
        "a@example.com, b@example.com",
        "a@example.com\r\n",
        "a@example.com\0",
        "a..b@example.com",
    ),
    *("\u0430nn@example.com", "ann@ex\u0430mple.com", '"a b"@example.com', "a@[127.0.0.1]", "x" * 250 + "@example.com"),
    *("a@example.com;b@example.com", "(c)a@example.com", "a@example.com>", "\ud800@example.com", "a@example..com"),
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("place", ["to", "cc"])
def test_what_is_no_address_is_refused(outbox: Path, address: str, place: str) -> None:
    lists = {"to": ["a@example.com"], "cc": []} | {place: ["b@example.com", address]}
    with pytest.raises(ToolError, match="is no address"):
        made(outbox)(KEY, lists["to"], "s", "b", lists["cc"])
    assert not list(outbox.iterdir())


def test_only_allowed_addresses_are_written_to(outbox: Path) -> None:
    draft = made(outbox, recipients=["*@Example.com", "boss@other.org"])
    for bad in ("x@other.org", "a@example.com.evil.org", "a@notexample.org"):
        with pytest.raises(ToolError, match=r"may not be written to; allowed: \*@Example\.com"):
            draft(KEY, ["a@EXAMPLE.com", bad], "s", "b")
    draft(KEY, ["a@EXAMPLE.com", "boss@other.org"], "s", "b")


@pytest.mark.parametrize(
    "subject", ["a\nBcc: x@example.com", "a\r\n\r\nbody", "a\rb", "", " ", "x" * 251, "a\0", "\ud800", "\u2028"]
)
def test_what_is_no_subject_is_refused(outbox: Path, subject: str) -> None:
    with pytest.raises(ToolError, match="the subject has to be one line"):
        made(outbox)(KEY, ["a@example.com"], subject, "b")


def test_there_are_limits(tmp_path: Path, outbox: Path) -> None:
    room = furnished(tmp_path)
    draft = made(outbox, attach=room, limits=email.Limits(recipients=2, body=10, attachments=1, bytes=10))
    for arguments, told in (
        ((["a@example.com"] * 3, "s", "b"), "1 to 2 addresses"),
        (([], "s", "b"), "1 to 2 addresses"),
        ((["a@example.com"], "s", "b" * 11), "at most 10 characters"),
        ((["a@example.com"], "s", "\ud800"), "has to be text"),
        ((["a@example.com"], "s", "b", None, ["a.md", "a.md"]), "at most 1 files"),
        ((["a@example.com"], "s", "b", None, ["a.md"]), "more than 10 bytes"),
    ):
        with pytest.raises(ToolError, match=told):
            draft(KEY, *arguments)
    assert not list(outbox.iterdir())


@pytest.mark.parametrize(
    "path", ["../secret.txt", "/etc/passwd", "link", "hard", "sub", "", "sub/../../secret.txt", "a\nb"]
)
def test_nothing_else_is_attached(tmp_path: Path, outbox: Path, path: str) -> None:
    outbox = tmp_path / "out"
    room = furnished(tmp_path)
    (room / "link").symlink_to("../secret.txt")
    os.link(tmp_path / "secret.txt", room / "hard")
    (room / "a\nb").write_text("x")
    with pytest.raises(ToolError):
        made(outbox, attach=room)(KEY, ["a@example.com"], "s", "b", None, [path])
    assert not list(outbox.iterdir())


def test_a_link_in_the_place_of_a_draft_is_not_followed(tmp_path: Path, outbox: Path) -> None:
    draft = made(outbox)
    draft(KEY, ["a@example.com"], "s", "b")
    (file,) = outbox.iterdir()
    file.unlink()
    (tmp_path / "secret.txt").write_text(HIDDEN)
    file.symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ToolError, match="a link"):
        draft(KEY, ["a@example.com"], "s", "b")
    assert (tmp_path / "secret.txt").read_text() == HIDDEN


def test_wrong_settings_are_told(outbox: Path) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"sender": "Ann <a@example.com>"},
        {"recipients": "*"},
        {"recipients": []},
        {"attach": "nowhere"},
    )
    for options in wrong:
        with pytest.raises(ConfigurationError):
            made(outbox, **options)
    with pytest.raises(ConfigurationError):
        email.tools(outbox / "nowhere")


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.text(max_size=300), st.integers())
def test_a_draft_has_the_headers_it_should_have_and_no_other(outbox: Path, subject: str, body: str, key: int) -> None:
    try:
        made(outbox)(ToolContext(None, idempotency_key=str(key)), ["a@example.com"], subject, body)
    except ToolError:
        assert not list(outbox.iterdir())
        return
    mail = only(outbox)
    next(outbox.iterdir()).unlink()
    allowed = {"To", "Subject", "X-Unsent", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
    assert set(mail.keys()) <= allowed
    assert (mail["To"], mail["X-Unsent"]) == ("a@example.com", "1")
    assert len(mail.keys()) == len(set(mail.keys()))
    assert mail.get_content_type() == "text/plain"


def test_an_email_as_an_attachment_keeps_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "old.eml").write_bytes(b"Subject: old\r\n\r\nhello\r\n")
    (draft,) = email.tools(tmp_path, attach=tmp_path)
    draft(ToolContext(None), ["ann@example.com"], "Hello", "See this.", attachments=["old.eml"])
    (written,) = tmp_path.glob("draft-*.eml")
    (attached,) = message_from_bytes(written.read_bytes(), policy=default).iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("old.eml", (tmp_path / "old.eml").read_bytes())
