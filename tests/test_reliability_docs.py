"""docs/reliability.md names what a campaign breaks."""

import re
from pathlib import Path

from perch.chaos.campaign import FAULTS


def test_the_document_names_every_kind_of_fault_and_no_other() -> None:
    text = Path("docs/reliability.md").read_text()
    (listed,) = re.findall(r"<!-- faults -->(.*?)<!-- /faults -->", text, re.DOTALL)
    named = [" ".join(name.split()) for name in listed.strip().removesuffix(".").split(";")]
    assert sorted(named) == sorted(fault.name for fault in FAULTS)
