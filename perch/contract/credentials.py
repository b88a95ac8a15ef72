"""What a broker keeps of a password: mosquitto's `$7$`, PBKDF2 with SHA-512.

Passwords of Perch are 256 random bits, which nobody guesses however fast he tries, so there are as few rounds as
mosquitto makes by itself: at each reload the broker goes through them once for every client that is connected.
"""

import base64
import hashlib
import re
from collections.abc import Mapping

ROUNDS = 101
SALT_BYTES = 12
SECRET_BYTES = 32
_KEPT = re.compile(rf"\$7\${ROUNDS}\$[A-Za-z0-9+/]{{16}}\$[A-Za-z0-9+/]{{86}}==")


def kept_of(password: str, salt: bytes) -> str:
    """Give what is kept of a password, with `SALT_BYTES` random bytes of salt."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def is_kept(text: str) -> bool:
    """Tell whether a text is what is kept of a password and nothing else, so that it may stand in the broker's file."""
    return _KEPT.fullmatch(text) is not None


def mosquitto_passwords(kept: Mapping[str, str]) -> str:
    """Write mosquitto's `password_file` from what is kept, by login."""
    return "".join(f"{user}:{text}\n" for user, text in sorted(kept.items()))
