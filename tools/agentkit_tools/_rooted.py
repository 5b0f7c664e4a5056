"""Opening what lies in a folder, and nothing else, whatever a path says and whatever is changed meanwhile.

A path is walked name by name, each opened in the directory that the one before it opened, and no link is followed on
the way. So there is no moment between looking and opening in which a link could be put in: what was looked at is what
is open. A check of the whole path (`resolve`, then compare) has that moment.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from agentkit import ToolError
from agentkit.errors import ConfigurationError

_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# O_NONBLOCK: a pipe put there meanwhile must not make us wait for its writer. O_NOCTTY: nor a terminal become ours.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_KINDS = {
    stat.S_IFLNK: "a link, and links are not followed",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_LONGEST = 4096  # characters: PATH_MAX of Linux
_DEEPEST = 50  # folders: programs that walk down a deeper tree, to delete it, may not come up again
TEMPORARY = ".agentkit-"  # what a write is made in before it gets its name; not listed, not opened


class Rooted:
    """A folder that paths are relative to.

    Args:
        folder: which; a link to one is followed here, once.
        hard_links: whether a file that has a second name somewhere, perhaps outside, may be read.

    Raises:
        ConfigurationError: there is no such folder, or this system cannot open names inside an open folder.
    """

    def __init__(self, folder: str | os.PathLike[str], *, hard_links: bool = False) -> None:
        if not hasattr(os, "O_NOFOLLOW") or os.open not in os.supports_dir_fd:
            raise ConfigurationError("files need a system that opens a name inside an open folder (Linux, macOS).")
        try:
            self._root = Path(folder).resolve(strict=True)
        except OSError as error:
            raise ConfigurationError(f"the folder {os.fspath(folder)!r} is not there: make it first.") from error
        if not self._root.is_dir():
            raise ConfigurationError(f"{os.fspath(folder)!r} is not a folder: name the folder the files are in.")
        self._hard_links = hard_links

    @contextmanager
    def directory(self, names: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """Give the descriptor of a folder; `make` makes those that are missing. Raises: ToolError: refused."""
        shown = "/".join(names) or "."
        with refusing(shown):
            opened = os.open(self._root, _DIRECTORY)
        try:
            for name in names:
                with refusing(shown):
                    below = _step(opened, name, make=make)
                os.close(opened)
                opened = below
            yield opened
        finally:
            os.close(opened)

    @contextmanager
    def file(self, names: tuple[str, ...]) -> Iterator[int]:
        """Give the descriptor of a regular file, open for reading. Raises: ToolError: refused, or not there."""
        with self.directory(names[:-1]) as directory, self.opened(directory, names[-1], "/".join(names)) as opened:
            yield opened

    @contextmanager
    def opened(self, directory: int, name: str, shown: str) -> Iterator[int]:
        """Give the descriptor of a regular file in an open folder. Raises: ToolError: refused, or not there."""
        with refusing(shown):
            self._check(os.stat(name, dir_fd=directory, follow_symlinks=False), shown)
            descriptor = os.open(name, _READ, dir_fd=directory)
        try:
            self._check(os.fstat(descriptor), shown)  # it may be another one by now
            yield descriptor
        finally:
            os.close(descriptor)

    def replace(self, directory: int, name: str, data: bytes) -> None:
        """Write a file whole or not at all: under a name of its own first, then renamed over what was there.

        Raises:
            ToolError: nothing was written. OSError: whether it got its name is not known.
        """
        mode = replaceable(directory, name)
        temporary = f"{TEMPORARY}{token_hex(8)}"
        with refusing(name):
            descriptor = os.open(temporary, _NEW, 0o666, dir_fd=directory)
        try:
            with refusing(name), os.fdopen(descriptor, "wb") as file:
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=directory)
            raise
        os.fsync(directory)

    def _check(self, found: os.stat_result, shown: str) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise ToolError(f"{shown} is {kind(found)}: only files can be read.")
        if found.st_nlink > 1 and not self._hard_links:
            raise ToolError(f"{shown} has {found.st_nlink} names, one of them perhaps outside the folder: not opened.")


def names_of(path: str) -> tuple[str, ...]:
    """Split a path the model gave into names. Raises: ToolError: it leads out of the folder, or is no path."""
    if "\0" in path or len(path) > _LONGEST:
        raise ToolError(f"That is no path: it holds a NUL, or is longer than {_LONGEST} characters.")
    names = tuple(each for each in path.split("/") if each not in {"", "."})
    if len(names) > _DEEPEST:
        raise ToolError(f"That path is {len(names)} names deep, and at most {_DEEPEST} are allowed.")
    if path.startswith("/") or ".." in names:
        raise ToolError(
            f"{path!r} leads out of the folder. Give a path inside it, such as notes/today.md, without `..`."
        )
    if any(each.startswith(TEMPORARY) for each in names):
        raise ToolError(f"{path!r} is not yours: names that begin with {TEMPORARY} are those of half-written files.")
    return names


def file_names_of(path: str) -> tuple[str, ...]:
    """Split the path of a file. Raises: ToolError: as `names_of`, or it names the folder itself."""
    names = names_of(path)
    if not names or path.endswith("/"):
        raise ToolError(f"{path!r} is a folder: give the path of a file in it.")
    return names


def kind(found: os.stat_result) -> str:
    """Say what an entry that is no file is."""
    return _KINDS.get(stat.S_IFMT(found.st_mode), "no file")


def replaceable(directory: int, name: str) -> int | None:
    """Return the mode of the file that would be replaced, None without one. Raises: ToolError: it is no file."""
    try:
        with refusing(name, but=FileNotFoundError):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise ToolError(f"{name} is {kind(found)}: only files can be written, edited and deleted.")
    return found.st_mode & 0o777  # no rights of another user are passed on to what a model wrote


@contextmanager
def refusing(shown: str, *, but: type[Exception] | tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn what the system refuses into words for the model, without paths of this machine; `but` passes through."""
    try:
        yield
    except but:
        raise
    except OSError as error:
        raise ToolError(f"{shown}: {(error.strerror or type(error).__name__).lower()}.") from error
    except ValueError as error:  # half a surrogate pair
        raise ToolError("That is no path: it cannot be written in the system's encoding.") from error


def _step(directory: int, name: str, *, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
    try:
        return os.open(name, _DIRECTORY, dir_fd=directory)
    except NotADirectoryError:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        what = "a file" if stat.S_ISREG(found.st_mode) else kind(found)
        raise ToolError(f"{name} is {what}: the way to a file leads through folders only.") from None
