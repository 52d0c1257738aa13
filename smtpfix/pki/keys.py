"""Private keys of every type that scenarios need, including weak ones; and signing with them."""

from __future__ import annotations

import secrets
import threading
from typing import Final, TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa

PrivateKey: TypeAlias = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | dsa.DSAPrivateKey
)

_CURVES: Final[dict[str, type[ec.EllipticCurve]]] = {
    "p192": ec.SECP192R1,
    "p224": ec.SECP224R1,
    "p256": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
    "brainpool256": ec.BrainpoolP256R1,
}
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha1": hashes.SHA1(),  # noqa: S303 - that clients refuse it is what is tested
    "md5": hashes.MD5(),  # noqa: S303 - as above
}
_EXPONENT: Final = 65537
_LEAST_RSA: Final = 1024
"""Bits below which cryptography generates no RSA key."""

_P: Final = int(
    "a8f003668e6d3663e64e5b245a535ff3abb7bcac1330a33decdf35cd96aec67ba09899a3bac03a86aa2c8181df8fbdd0"
    "2ff79b83dbdf1b04a0337e2635013e5da1bd8fb23c0514603e8fc2d5590cd6a65fbcc35517b7b4d9ae5399cf1b5f84da"
    "d9f9a4f0342a72489f1080ef4cbf0d20d91372f031e460b306050378873e76cdb179e03775149f466685c30c704a8a7b"
    "a64882c31eebe5c03b62f29434b02f9832796ed742c737a49dcdee44377327d1ce1e9e668ecc7c2f666e78e7df5e04e6"
    "88bcbe5d9008812878c8cfd2b673ae107f1e963a5074a88c06635801fd6d70292c1e100de71ff075d737405f005a1747"
    "ff02fe4f3682baa7967cc5acc52723fd",
    16,
)
_Q: Final = int("db5ef7848f53b266f289f986ef8dc25d99c1ded9bdaeb1be006df6b2f7ada239", 16)
_G: Final = int(
    "88b18b84e0e4399241e8d2d3c1bcb1d61946dc94bd0546b093243ea99d0290c0d55880a42d38089d482914ccda35d78a"
    "d2c3341f72838c8b7e515016cd99b46baa08b2403403a395629a1eee1ee1a3f52ae2da04d74b95f440c7dfa61abffb3c"
    "a54777d222cfd943400e1685d7fe9665d5251d7c8489e47f8c64b1babaf28a5a9190980ca1b71a3f986d31f80936a613"
    "1b170d1f8979d27ad384651395dc9c7f1f5e6ed910d4b61004e34016915006521684bc24aa2bf039073f265a779a0c62"
    "f07bdc65bdfa5ffd1b9519227134ada143d5ff1166ebdaa324a2cd77f10dac0ebbf8fc4b3cdd6089a5f08ab181b42fe9"
    "2fab3c3e335409dcd84e23beaa9f99f9",
    16,
)
"""Domain parameters of DSA with 2,048 bits, which are public, and take a second to find (FIPS 186-4 section 4.3)."""


class KeyRing:
    """Makes keys, and keeps the costly ones: one of each kind for each part in a chain, shared by all chains."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], PrivateKey] = {}
        self._lock = threading.Lock()

    def key(self, kind: str, part: str) -> PrivateKey:
        """Return a key of one of `profile.KEYS`, for a part such as ``root``."""
        if kind in _CURVES or kind.startswith("ed"):
            return generate(kind)
        with self._lock:
            if (kind, part) not in self._kept:
                self._kept[kind, part] = generate(kind)
            return self._kept[kind, part]


def generate(kind: str) -> PrivateKey:
    """Return a new key of one of `profile.KEYS`."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    if kind.startswith("dsa"):
        return dsa.DSAParameterNumbers(_P, _Q, _G).parameters().generate_private_key()
    bits = int(kind.removeprefix("rsa"))
    return rsa.generate_private_key(_EXPONENT, bits) if bits >= _LEAST_RSA else _small_rsa(bits)


def _small_rsa(bits: int) -> rsa.RSAPrivateKey:
    """Return an RSA key that is too small for cryptography to generate, and for anybody to rely on."""
    p, q = _prime(bits // 2), _prime(bits // 2)
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _prime(bits: int) -> int:
    """Return a number that is prime as far as four tests of Fermat's can tell, with its two highest bits set."""
    while True:
        number = secrets.randbits(bits) | 3 << (bits - 2) | 1
        if number % _EXPONENT != 1 and all(pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7)):
            return number


def builder_hash(key: PrivateKey, name: str) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """Return the hash that a builder signs with; None for keys that bring their own, SHA-256 for one it refuses."""
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return None
    return hashes.SHA384() if name == "sha384" else hashes.SHA512() if name == "sha512" else hashes.SHA256()


def sign(key: PrivateKey, octets: bytes, name: str) -> bytes:
    """Return a signature, with hashes too that certificate builders refuse."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), _HASHES[name])
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(octets, ec.ECDSA(_HASHES[name]))
    if isinstance(key, dsa.DSAPrivateKey):
        return key.sign(octets, _HASHES[name])
    return key.sign(octets)


def pem(key: PrivateKey) -> bytes:
    """Return a key as PEM, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
