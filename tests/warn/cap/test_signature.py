"""Signatures: what we sign we verify, what is changed is noticed, nobody is trusted for bringing a certificate."""

import datetime
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.warn.cap import c14n
from fengsui.warn.cap.signature import BadKey, sign, verify
from fengsui.warn.cap.tree import parse
from fengsui.warn.cap.writing import write
from tests.warn.cap.alerts import rainstorm
from tests.warn.cap.faults import certificate

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
PLAIN = write(rainstorm())
KEYS = {"rsa": (RSA, certificate(RSA)), "ec": (EC, certificate(EC))}
SIGNED = {kind: sign(PLAIN, *pair) for kind, pair in KEYS.items()}


@pytest.mark.parametrize("kind", KEYS)
def test_what_is_signed_is_verified_and_nothing_else_of_it_changes(kind):
    data, trusted = SIGNED[kind], [KEYS[kind][1]]
    assert verify(parse(data), trusted).state == "valid"
    start, end = data.index(b"<ds:Signature "), data.index(b"</alert>")
    assert data[:start] + data[end:] == PLAIN
    assert verify(parse(PLAIN), trusted).state == "none"


@pytest.mark.parametrize("kind", KEYS)
def test_a_certificate_is_not_trusted_because_it_is_brought_along(kind):
    other = "ec" if kind == "rsa" else "rsa"
    assert verify(parse(SIGNED[kind])).state == "untrusted"
    assert verify(parse(SIGNED[kind]), [KEYS[other][1]]).state == "untrusted"


@settings(max_examples=300)
@given(st.integers(0, len(SIGNED["ec"]) - 1), st.integers(1, 255))
def test_a_changed_byte_never_passes_for_the_message_that_was_signed(place, by):
    """Either it is no XML any more, or the signature does not fit, or the canonical content is the same."""
    data = SIGNED["ec"]
    changed = data[:place] + bytes([(data[place] + by) % 256]) + data[place + 1 :]
    tree, before = parse(changed), parse(data)
    if hasattr(tree, "reason") or verify(tree, [KEYS["ec"][1]]).state != "valid":
        return
    signature = next(one for one in tree.root.elements if one.local == "Signature")
    was = next(one for one in before.root.elements if one.local == "Signature")
    assert c14n.canonical(tree, c14n.EXCLUSIVE, without=signature) == c14n.canonical(
        before, c14n.EXCLUSIVE, without=was
    )


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        (b"<severity>Severe", b"<severity>Minor", "invalid"),
        (b"</info>\n</alert>", b"</info>\n</alert>", "valid"),
        (b"\n <sender>", b"\n  <sender>", "invalid"),  # blanks count
        (b'URI=""', b'URI="#x"', "unsupported"),
        (b"#enveloped-signature", b"#base64", "unsupported"),
        (b"xmlenc#sha256", b"xmlenc#sha257", "unsupported"),
        (b"<ds:KeyInfo>", b"<ds:KeyInfo><ds:KeyName>x</ds:KeyName>", "valid"),  # not signed, and not believed
    ],
)
def test_changes_and_what_becomes_of_them(old, new, state):
    data = SIGNED["rsa"]
    assert old in data or state == "valid"
    assert verify(parse(data.replace(old, new)), [KEYS["rsa"][1]]).state == state


def test_another_document_form_of_the_same_content_is_still_valid():
    """Quotes, empty elements and attribute order are not content: canonical XML says so."""
    data = SIGNED["ec"].replace(b'<?xml version="1.0" encoding="UTF-8"?>\n', b"<?xml version='1.0'?>")
    data = re.sub(rb'xmlns="([^"]+)"', rb"xmlns='\1'", data, count=1)
    assert verify(parse(data), [KEYS["ec"][1]]).state == "valid"


def test_a_signature_without_certificate_is_verified_by_one_that_is_given():
    data = re.sub(rb"<ds:KeyInfo>.*</ds:KeyInfo>", b"", SIGNED["rsa"])
    assert verify(parse(data), [KEYS["ec"][1], KEYS["rsa"][1]]).state == "valid"
    assert verify(parse(data)).state == "unsupported"
    assert verify(parse(data), [KEYS["ec"][1]]).state == "invalid"


def test_a_certificate_that_had_ended_is_named_and_does_not_hide_that_it_fits():
    old = certificate(EC, datetime.datetime(2001, 1, 1))
    verdict = verify(parse(sign(PLAIN, EC, old)), [old], datetime.datetime(2026, 11, 26, tzinfo=datetime.UTC))
    assert (verdict.state, verdict.outside[:4]) == ("valid", "2001")


def test_key_and_certificate_have_to_belong_together():
    with pytest.raises(BadKey):
        sign(PLAIN, RSA, KEYS["ec"][1])
    with pytest.raises(ValueError, match="unsigned"):
        sign(SIGNED["ec"], EC, KEYS["ec"][1])


def test_canonical_xml_by_the_examples_of_its_recommendation():
    """Canonical XML 1.0, section 3.1 to 3.4, as far as they need no document type; and exclusive on a part."""
    data = b"""<?xml version="1.0"?>

<?xml-stylesheet   href="doc.xsl"
   type="text/xsl"   ?>

<doc>Hello, world!<!-- Comment 1 --></doc>

<?pi-without-data     ?>

<!-- Comment 2 -->

<!-- Comment 3 -->"""
    plain = b'<?xml-stylesheet href="doc.xsl"\n   type="text/xsl"   ?>\n<doc>Hello, world!</doc>\n<?pi-without-data?>'
    assert c14n.canonical(parse(data), c14n.INCLUSIVE) == plain
    told = c14n.canonical(parse(data), c14n.INCLUSIVE + "#WithComments")
    assert told.endswith(b"<doc>Hello, world!<!-- Comment 1 --></doc>\n<?pi-without-data?>\n"
                         b"<!-- Comment 2 -->\n<!-- Comment 3 -->")  # fmt: skip
    tags = b"""<doc><e1   /><e5 a:attr="out" b:attr="sorted" attr2="all" attr="I'm"
       xmlns:b="http://www.ietf.org" xmlns:a="http://www.w3.org" xmlns="http://example.org"/></doc>"""
    assert c14n.canonical(parse(tags), c14n.INCLUSIVE) == (
        b'<doc><e1></e1><e5 xmlns="http://example.org" xmlns:a="http://www.w3.org" xmlns:b="http://www.ietf.org"'
        b""" attr="I'm" attr2="all" b:attr="sorted" a:attr="out"></e5></doc>"""
    )
    text = (
        b"<doc><text>First line&#x0d;&#10;Second line</text><value>&#x32;</value>"
        b'<compute><![CDATA[v>"0" && v<"10" ?]]></compute></doc>'
    )
    assert c14n.canonical(parse(text), c14n.INCLUSIVE) == (
        b"<doc><text>First line&#xD;\nSecond line</text><value>2</value>"
        b'<compute>v&gt;"0" &amp;&amp; v&lt;"10" ?</compute></doc>'
    )
    part = parse(b'<a:x xmlns:a="u:a" xmlns:b="u:b" xmlns="u:d"><b:y><z q="1"/></b:y></a:x>').root.elements[0]
    assert c14n.canonical(part, c14n.EXCLUSIVE) == b'<b:y xmlns:b="u:b"><z xmlns="u:d" q="1"></z></b:y>'
    assert c14n.canonical(part, c14n.INCLUSIVE) == (
        b'<b:y xmlns="u:d" xmlns:a="u:a" xmlns:b="u:b"><z q="1"></z></b:y>'
    )
