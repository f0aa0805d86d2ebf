"""From the explanations of conda's solver to one sentence."""

from __future__ import annotations

import pytest

from kumo.environments.backends.conda.failures import explain

CONFLICT = """\
Cannot solve the request because of: snow * cannot be installed because there are no viable options:
└─ snow 1.1 would require
   └─ fog >3, for which no candidates were found.
The following packages are incompatible
├─ steam * can be installed with any of the following options:
│  └─ steam 1.0 would require
│     └─ water >=2, which can be installed with any of the following options:
│        └─ water 2.0
└─ snow * cannot be installed because there are no viable options:
   └─ snow 1.0 | 0.9 would require
      └─ water <2, which cannot be installed because there are no viable options:
         └─ water 1.0, which conflicts with the versions reported above.
"""


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        (
            "SolverError",
            CONFLICT,
            "No set of versions fits. snow 1.1 needs fog >3, steam 1.0 needs water >=2, snow 1.0 | 0.9 needs water <2.",
        ),
        (
            "SolverError",
            "Cannot solve the request because of: No candidates were found for ice *.",
            "No channel of the environment has the package “ice”.",
        ),
        (
            "SolverError",
            "Cannot solve the request because of: No candidates were found for water 9.*.",
            "No channel of the environment has the package “water” in a version that fits 9.*.",
        ),
        (
            "SolverError",
            "Cannot solve the request because of: No candidates were found for __cuda >=12.",
            "This machine has no “__cuda”, which the environment asks for.",
        ),
        ("SolverError", "something new\nof two lines", "No set of versions fits. something new of two lines"),
        (
            "GatewayError",
            "error sending request for url (https://x.org/own/noarch/repodata.json)\nCaused by: dns error",
            "The channel https://x.org/own at x.org does not answer. Check its address and the network.",
        ),
        (
            "GatewayError",
            "error sending request for url (https://x.org/own/noarch/x)\nCaused by: invalid peer certificate: Unknown",
            "The channel https://x.org/own at x.org shows a certificate that this machine does not trust.",
        ),
        (
            "InstallerError",
            "HTTP status client error (404 Not Found) for url (https://x.org/own/linux-64/water-1.0-0.conda)",
            "The channel https://x.org/own at x.org answers with an error (HTTP 404).",
        ),
        (
            "InstallerError",
            "failed to link water\nCaused by: No space left on device (os error 28)",
            "The disk of the data directory is full. Free some space and build again.",
        ),
        ("Unknown", "x" * 500, "x" * 399 + "…"),
    ],
)
def test_the_sentence_says_what_a_person_needs(kind: str, text: str, sentence: str) -> None:
    assert explain(kind, text) == sentence
