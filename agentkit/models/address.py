"""Where requests go, pure: which addresses can work, which host they name, and where a secret may go."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from agentkit.errors import ConfigurationError

_ROUTES = ("/chat/completions", "/responses")
_TELLING = ("authorization", "key", "token", "secret", "cookie")


def checked(base_url: str) -> str:
    """Return a base URL without its last slash.

    Raises:
        ConfigurationError: it is no http(s) address, holds a password, or is the address of one route.
    """
    url = base_url.rstrip("/")
    parts = _split(url)
    if parts is None:
        raise ConfigurationError(f"base_url has to look like https://api.example.com/v1, not {base_url[:80]!r}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError("base_url may hold neither a password nor a query: use api_key= and headers=")
    for route in _ROUTES:
        if parts.path.endswith(route):
            raise ConfigurationError(f"base_url ends before the route: {url.removesuffix(route)!r}")
    return url


def host_of(base_url: str) -> str:
    """Return the host's name, without port."""
    return urlsplit(base_url).hostname or ""


def port_of(base_url: str) -> int:
    """Return the port, which an address need not name."""
    parts = urlsplit(base_url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def with_path(base_url: str, path: str) -> str:
    """Return the address with another path in the place of its own."""
    return urlsplit(base_url)._replace(path=path).geturl()


def loopback(base_url: str) -> bool:
    """Tell whether the address is this machine's own, where plain http is heard by nobody."""
    host = host_of(base_url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def encrypted(base_url: str) -> bool:
    """Tell whether a key may be sent there: over https, or on this machine."""
    return base_url.startswith("https:") or loopback(base_url)


def telling(header: str) -> bool:
    """Tell by its name whether a header (or an argument) holds a secret."""
    return any(part in header.lower() for part in _TELLING)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        fit = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if fit else None
