"""Drafts of e-mails: `draft_email` writes a file into an outbox folder, and nothing is ever sent.

A person opens the file in a mail program and sends it, or does not. The model reaches the outbox, for new drafts only,
and the files of one folder to attach, if you name one. Addresses can be held to a list.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from fnmatch import fnmatchcase
from hashlib import blake2b
from mimetypes import MimeTypes
from os import PathLike, fdopen
from typing import Any

from agentkit import Tool, ToolContext, ToolError, tool
from agentkit.errors import ConfigurationError
from agentkit_tools._rooted import Rooted, file_names_of, replaceable

_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
)
_LONGEST = 254  # characters of an address, RFC 5321
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HALF = re.compile("[\x00\ud800-\udfff]")
_BYTES = "application/octet-stream"
_TYPES = MimeTypes(filenames=())  # those of Python, not of this machine


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one draft may hold.

    Attributes:
        recipients: all together. subject, body: characters. attachments: how many. bytes: of all of those.
    """

    recipients: int = 20
    subject: int = 250
    body: int = 100_000
    attachments: int = 10
    bytes: int = 10_000_000


def tools(
    outbox: str | PathLike[str],
    *,
    sender: str = "",
    recipients: Collection[str] = ("*",),
    attach: str | PathLike[str] | None = None,
    ask: bool = False,
    limits: Limits | None = None,
) -> tuple[Tool[object, Any, Any], ...]:
    """Return the tool that drafts.

    Args:
        outbox: the folder for drafts.
        sender: what the drafts say they are from, such as "ann@example.com"; empty leaves it to the mail program.
        recipients: patterns of addresses that may be written to, such as "*@example.com"; upper and lower case alike.
        attach: the folder whose files may be attached; None: there are no attachments.
        ask: whether a person has to agree to each draft.
        limits: how much one draft may hold.

    Raises:
        ConfigurationError: a folder is not there, `sender` is no address, or `recipients` is one text.
    """
    if isinstance(recipients, str) or not recipients:
        raise ConfigurationError('recipients is a list of patterns, such as ["*@example.com"].')
    if sender and not _legal(sender):
        raise ConfigurationError(f"sender={sender!r} is no address: write it as ann@example.com.")
    files = None if attach is None else Rooted(attach)
    drafts = Drafts(Rooted(outbox), sender, tuple(recipients), files, limits or Limits())
    body = drafts.draft_email if files is None else drafts.draft_with_files
    return (tool(effect="idempotent", name="draft_email", needs_approval=ask)(body),)


class Drafts:
    """The body of the tool, with and without attachments."""

    def __init__(
        self, outbox: Rooted, sender: str, recipients: tuple[str, ...], files: Rooted | None, limits: Limits
    ) -> None:
        self._outbox = outbox
        self._sender = sender
        self._recipients = recipients
        self._files = files
        self._limits = limits

    def draft_email(
        self, ctx: ToolContext[object], to: list[str], subject: str, body: str, cc: list[str] | None = None
    ) -> str:
        """Write a draft of an e-mail. It is not sent: a person looks through it and sends it.

        Args:
            ctx: the call, by whose key the draft is named.
            to: addresses, such as ann@example.com, without names.
            subject: one line.
            body: plain text.
            cc: addresses that get a copy.
        """
        return self._kept(ctx.idempotency_key, self._written(to, cc or (), subject, body), ())

    def draft_with_files(
        self,
        ctx: ToolContext[object],
        to: list[str],
        subject: str,
        body: str,
        cc: list[str] | None = None,
        attachments: list[str] | None = None,
    ) -> str:
        """Write a draft of an e-mail. It is not sent: a person looks through it and sends it.

        Args:
            ctx: the call, by whose key the draft is named.
            to: addresses, such as ann@example.com, without names.
            subject: one line.
            body: plain text.
            cc: addresses that get a copy.
            attachments: paths of files to attach, inside the folder for them.
        """
        return self._kept(ctx.idempotency_key, self._written(to, cc or (), subject, body), attachments or ())

    def _written(self, to: Sequence[str], cc: Sequence[str], subject: str, body: str) -> EmailMessage:
        if not to or len(to) + len(cc) > self._limits.recipients:
            raise ToolError(f"Error: write to 1 to {self._limits.recipients} addresses.")
        if _CONTROL.search(subject) or not subject.strip() or len(subject) > self._limits.subject:
            raise ToolError(f"Error: the subject has to be one line of 1 to {self._limits.subject} characters.")
        if _HALF.search(body) or len(body) > self._limits.body:
            raise ToolError(f"Error: the body has to be text of at most {self._limits.body} characters.")
        message = EmailMessage(policy=SMTP)
        if self._sender:
            message["From"] = Address(addr_spec=self._sender)
        message["To"] = self._addresses(to)
        if cc:
            message["Cc"] = self._addresses(cc)
        message["Subject"] = subject
        message["X-Unsent"] = "1"  # mail programs that know it open the file for editing
        message.set_content(body)
        return message

    def _addresses(self, given: Sequence[str]) -> tuple[Address, ...]:
        for each in given:
            if not _legal(each):
                raise ToolError(f"Error: {each[:80]!r} is no address: write it as ann@example.com, without a name.")
            if not any(fnmatchcase(each.lower(), pattern.lower()) for pattern in self._recipients):
                raise ToolError(f"Error: {each} may not be written to; allowed: {', '.join(self._recipients)}.")
        return tuple(Address(addr_spec=each) for each in given)

    def _kept(self, key: str, message: EmailMessage, attachments: Sequence[str]) -> str:
        """Write the draft, unless this call has written it before: a person may have changed it since."""
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        name = f"draft-{digest}.eml"
        with self._outbox.directory(()) as directory:
            if replaceable(directory, name) is None:
                self._attach(message, attachments, digest)
                self._outbox.replace(directory, name, message.as_bytes())
        return f"The draft is written: {name}. It is not sent: a person does that."

    def _attach(self, message: EmailMessage, paths: Sequence[str], digest: str) -> None:
        if len(paths) > self._limits.attachments:
            raise ToolError(f"Error: at most {self._limits.attachments} files can be attached.")
        room = self._limits.bytes
        for path in paths:
            names = file_names_of(path)
            if _CONTROL.search(names[-1]):
                raise ToolError(f"Error: {path!r} has a name that cannot be told in an e-mail.")
            data = self._contents(names, room)
            room -= len(data)
            kind, _, below = (_TYPES.guess_type(names[-1])[0] or _BYTES).partition("/")
            if kind == "message":  # RFC 2046: an e-mail in an e-mail is not packed, and as it is it may be illegal
                kind, below = _BYTES.split("/")
            message.add_attachment(data, maintype=kind, subtype=below, filename=names[-1])
        if paths:
            message.set_boundary(f"=={digest}==")  # else it is random, and the same call would write other bytes

    def _contents(self, names: tuple[str, ...], room: int) -> bytes:
        if self._files is None:  # the model is told of no such parameter
            raise ToolError("Error: there are no attachments here.")
        with self._files.file(names) as descriptor, fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(room + 1)
        if len(data) > room:
            raise ToolError(f"Error: the attachments have more than {self._limits.bytes} bytes together.")
        return data


def _legal(address: str) -> bool:
    return len(address) <= _LONGEST and _ADDRESS.fullmatch(address) is not None
