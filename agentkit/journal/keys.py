"""Data keys, kept outside the database: one a session. When it is destroyed no copy of the session can be read again.

A database's backups and write-ahead log hold what was erased since. What they hold is sealed with the session's data
key (journal/seal.py), and the data key is in none of them. AES-256-GCM, with a fresh nonce of 96 bit each time.
"""

import os
import re
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

from agentkit.errors import ConfigurationError, JournalError, KeyMissing

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError as error:
    raise ConfigurationError("data keys need the extra `keys`: pip install 'agentkit-reasoning[keys]'") from error

KEY_BYTES = 32
_NONCE_BYTES = 12
_NAME = re.compile("[0-9a-f]{32}", re.ASCII)
_REMEMBERED = 1024  # boxes: a session that is driven needs its own at every append


class Box:
    """Seals with one key. `about` is not secret and not stored: who opens has to name the same."""

    def __init__(self, key: bytes) -> None:
        self._aes = AESGCM(key)
        self._names = blake2b(key, digest_size=32, person=b"agentkit names").digest()

    def seal(self, data: bytes, about: bytes) -> bytes:
        """Return `data` sealed, 28 bytes longer."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aes.encrypt(nonce, data, about)

    def open(self, sealed: bytes, about: bytes) -> bytes | None:
        """Return what was sealed; None where it was sealed with another key, about something else, or was changed."""
        try:
            return self._aes.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
        except (InvalidTag, ValueError):
            return None

    def label(self, name: str) -> str:
        """Return a name that is the same each time and tells nothing to who has not the key: 32 hexadecimal digits."""
        return blake2b(name.encode("utf-8", "surrogatepass"), key=self._names, digest_size=16).hexdigest()


class KeyRing(ABC):
    """Where data keys are kept: never in the database. It is called on a journal's threads, several at once."""

    def __init__(self) -> None:
        self._boxes: OrderedDict[str, Box] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def make(self) -> str:
        """Make a data key that outlives a power loss; return its name, which tells nothing of whose it is.

        Raises:
            JournalError: there is no room for it, or the place does not answer (`passing`). So does `destroy`.
        """

    @abstractmethod
    def data_key(self, name: str) -> bytes:
        """Return a data key, 32 bytes. Raises: KeyMissing: it was destroyed, is elsewhere, or cannot be unwrapped."""

    @abstractmethod
    def destroy(self, name: str) -> None:
        """Make sure that nobody gets this key again. One that is not there is destroyed already."""

    def box(self, name: str) -> Box:
        """Return what seals and opens with a data key. Raises: KeyMissing."""
        with self._lock:
            if name not in self._boxes:
                self._boxes[name] = Box(self.data_key(name))
                if len(self._boxes) > _REMEMBERED:
                    self._boxes.popitem(last=False)
            self._boxes.move_to_end(name)
            return self._boxes[name]

    def forget(self, name: str) -> None:
        """Destroy a data key, here and where it is kept."""
        with self._lock:
            self._boxes.pop(name, None)
            self.destroy(name)


class KeyFolder(KeyRing):
    """Data keys as files of one folder (0700, files 0600), each wrapped with a master key that is kept elsewhere.

    Back it up apart from the database, and not for longer than an erased session may still be read.

    Args:
        path: the folder; it is made where there is none.
        master: 32 bytes, from wherever secrets come from. Without it the files are worth nothing.
    """

    def __init__(self, path: str | os.PathLike[str], master: bytes) -> None:
        if len(master) != KEY_BYTES:
            raise ConfigurationError(
                f"a master key is {KEY_BYTES} bytes, not {len(master)}: `os.urandom(32)` makes one"
            )
        super().__init__()
        self._folder, self._master = Path(path), Box(master)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be a folder of keys: {error.strerror}") from error

    def make(self) -> str:
        """Make a data key in a file of its own, on the disk before this returns."""
        name = uuid4().hex
        path, wrapped = self._file(name), self._master.seal(AESGCM.generate_key(8 * KEY_BYTES), name.encode())
        try:
            _write(path, wrapped, os.O_CREAT | os.O_EXCL)
            self._sync()
        except OSError as error:
            with suppress(OSError):  # half a key is no key, and nobody knows its name
                path.unlink()
            raise _failed(path, "no data key can be made", error) from error
        return name

    def data_key(self, name: str) -> bytes:
        """Return a data key.

        Raises:
            KeyMissing: there is no such file, or this master key did not wrap it. JournalError: it cannot be read now.
        """
        try:
            wrapped = self._file(name).read_bytes()
        except FileNotFoundError as error:
            raise KeyMissing(
                f"the data key {name} is not in {self._folder}: another folder is meant, or it was destroyed (if by an "
                "erasing that was cut off, erase the session by its id: that finishes it)"
            ) from error
        except OSError as error:
            raise _failed(self._file(name), "the data key cannot be read", error) from error
        key = self._master.open(wrapped, name.encode())
        if key is None:
            raise KeyMissing(f"{self._file(name)} was not wrapped with this master key, or it is damaged")
        return key

    def destroy(self, name: str) -> None:
        """Overwrite the file, then remove it. What a disk keeps of old blocks is still wrapped with the master key."""
        path = self._file(name)
        try:
            _write(path, os.urandom(path.stat().st_size))
            path.unlink()
            self._sync()
        except FileNotFoundError:  # somebody was quicker
            return
        except OSError as error:
            raise _failed(path, "the data key cannot be destroyed", error) from error

    def _file(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise KeyMissing(f"{name!r:.50} is no data key of a folder: another key ring made it")
        return self._folder / f"{name}.key"

    def _sync(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write(path: Path, data: bytes, flags: int = 0) -> None:
    file = os.open(path, os.O_WRONLY | flags, 0o600)
    try:
        os.write(file, data)
        os.fsync(file)
    finally:
        os.close(file)


def _failed(path: Path, what: str, error: OSError) -> JournalError:
    ours = JournalError(
        f"{path}: {what} ({error.strerror}): look at the folder's rights and its disk. Do it again then"
    )
    ours.passing = True
    return ours
