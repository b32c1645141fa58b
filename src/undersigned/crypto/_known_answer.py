"""Known answers for `blind_rsa.self_test`: one 2048-bit key, known to everybody and good for nothing else.

The answers were computed with Python's integers and no code of this package, and the sig verified by OpenSSL.
"""

from hashlib import shake_256

P = int(
    "f37b41548effe858afb2924706e4a140cf1737ecc8c85d99c781d13e1fbb9b8c"
    "a5e3793b7c9e60ab55c5f041f04326272fa5d924de3559f6372405a9751f5a9d"
    "6e7a8a31d507c1127eb1d459b048923f6e536d1545eda9e3335615cd65123d17"
    "13bfc08fbe1b33a82e945a46ea674f6f491e57f4a1583378ff5250d35eccb8d1",
    16,
)
Q = int(
    "be48015e9ca969dd629873cd692b9e80a872a8921d9df442e09ab3375b9abc43"
    "85eb928a70b5948bf655377e61346c008a574e1e07cca081fa30c31829530fe9"
    "a07ff73cb4b77bec71c749eccc3d0efec2384a55315472c21fcfbd486d292b99"
    "f7503b27fbfc60d3a314ef1f413b4134cfa9c05e3a7303328ad09b84fb101697",
    16,
)
PREPARED = shake_256(b"undersigned known answer: prefix").digest(32) + b"undersigned known answer"
SALT = shake_256(b"undersigned known answer: salt").digest(48)
R = int.from_bytes(shake_256(b"undersigned known answer: r").digest(255), "big")
BLINDED_SHA256 = "d06d80ef42279586fe71930d58cffe3ffbdf3958498199a3c7d8cec9b457c089"
BLIND_SIG_SHA256 = "7bf990e033f23f63f70112656a66337ffa58f1fea8518a8353d821dddcd3734e"
SIG_SHA256 = "bb51f0b4e5282c8f9531fa0a9adf70100ffb8c63f89d4cdf497eb53975670ec4"
