"""Tokens per second on one core: a whole issuance step of the registrar against the bare RSA private operation.

The step: read the blinded message from its base64, blind it anew, apply the private key, unblind, check s^e == m, and
write the answer as base64. The bare operation: gmpy2 `powmod_sec` twice, joined by the Chinese remainder theorem.

    python benchmarks/issue.py [--quick] [--json FILE]
"""

import base64
import os
from pathlib import Path

import click
import gmpy2

from _bench import options, report, seconds_per_call
from undersigned.crypto import blind_rsa


@click.command()
@options
def main(quick: bool, json_file: Path | None) -> None:
    """How much of the issuing core does what cannot be avoided: one private operation for each token."""
    private_key = blind_rsa.PrivateKey.generate(2048)
    prepared = blind_rsa.prepare(os.urandom(86), prefix=os.urandom(32))
    blinded, _ = blind_rsa.blind(private_key.public, prepared, randbytes=os.urandom)
    posted = base64.b64encode(blinded)
    m = gmpy2.mpz(int.from_bytes(blinded, "big"))

    def issue() -> bytes:
        return base64.b64encode(blind_rsa.blind_sign(private_key, base64.b64decode(posted, validate=True)))

    def bare() -> gmpy2.mpz:
        return blind_rsa._private_operation(private_key, m)

    rounds, repeat = (7, 50) if quick else (31, 200)
    seconds = seconds_per_call({"issue": issue, "bare": bare}, rounds=rounds, repeat=repeat)
    report(
        "Issuing tokens, RSA-2048, one core",
        ratios={"issue": seconds["bare"] / seconds["issue"]},
        targets={"issue": 0.8},
        figures={
            "tokens_per_second": 1 / seconds["issue"],
            "private_operations_per_second": 1 / seconds["bare"],
            "milliseconds_per_token": seconds["issue"] * 1000,
        },
        json_file=json_file,
    )


if __name__ == "__main__":
    main()
