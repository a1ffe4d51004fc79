"""Signatures, by the vectors of the specification and against stock verifiers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.signing import (
    SecretInvalid,
    SignatureInvalid,
    canonical_secret,
    new_secret,
    sign,
    verify,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
VECTORS = [
    (SECRET, ID, AT, '{"test": 2432232314}', "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1649367553,
        '{"email":"test@example.com","username":"test_user"}',
        "tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ),
    (SECRET, ID, AT, '{"nome":"João ção 😀"}', "sh8OwU6Yt7rz9y5FldXMDUwIh0c5fcZT8n17IFQfOcQ="),
]


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def verified(signature: str, *, timestamp=str(AT), body=b"x", message_id=ID, now=AT, signers=None):
    verify(
        signers or [SECRET],
        message_id=message_id,
        timestamp=timestamp,
        signature=signature,
        body=body,
        now=moment(now),
    )


@pytest.mark.parametrize(("secret", "message_id", "at", "body", "expected"), VECTORS)
def test_wh01_to_wh03_the_vectors_are_signed_as_others_sign_them(
    secret, message_id, at, body, expected
):
    signed = sign([secret], message_id=message_id, timestamp=at, body=body.encode())
    assert signed == f"v1,{expected}"


def test_wh10_two_secrets_give_two_signatures_either_of_which_verifies():
    signers = [new_secret(), SECRET]
    signature = sign(signers, message_id=ID, timestamp=AT, body=b"x")
    assert len(signature.split(" ")) == 2
    for one in signers:
        verified(signature, signers=[one])
    with pytest.raises(SignatureInvalid):
        verified(signature, signers=[new_secret()])


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 120, "à" * 32])
def test_wh09_a_secret_that_is_no_base64_of_a_fit_length_is_refused(text):
    with pytest.raises(SecretInvalid):
        canonical_secret(text)


@pytest.mark.parametrize("text", [SECRET, SECRET.removeprefix("whsec_")])
def test_wh09_a_secret_may_come_without_its_prefix(text):
    assert canonical_secret(text) == SECRET
    assert canonical_secret(canonical_secret("A" * 43)) == "whsec_" + "A" * 43 + "="


GOOD = sign([SECRET], message_id=ID, timestamp=AT, body=b"x")


@pytest.mark.parametrize(
    "signature",
    ["", "v1", "v1,", "v1,aa,bb", "v1,a", f"{GOOD},", f"v2,{GOOD[3:]}", "v1,ção", "v1, " * 900],
)
def test_wi03_a_hostile_signature_is_refused_and_nothing_else(signature):
    with pytest.raises(SignatureInvalid):
        verified(signature)


def test_wi03_a_good_signature_among_others_counts():
    verified(f"v1a,x {GOOD} ")


@pytest.mark.parametrize(
    ("now", "is_fresh"), [(299, True), (-299, True), (301, False), (-301, False)]
)
def test_wi05_what_was_signed_more_than_five_minutes_from_now_is_refused(now, is_fresh):
    if is_fresh:
        verified(GOOD, now=AT + now)
        return
    with pytest.raises(SignatureInvalid):
        verified(GOOD, now=AT + now)


@pytest.mark.parametrize(
    "timestamp", ["nan", "1e99", "-1", f"{AT}.9", "", f" {AT}", "٣" * 10, "9" * 99]
)
def test_wi05_a_timestamp_that_is_no_number_of_seconds_is_refused(timestamp):
    with pytest.raises(SignatureInvalid):
        verified(sign([SECRET], message_id=ID, timestamp=AT, body=b"x"), timestamp=timestamp)


@given(st.text(), st.text(), st.text(), st.binary())
def test_wi03_no_header_and_no_body_brings_about_another_exception(message_id, at, signature, body):
    with pytest.raises(SignatureInvalid):
        verified(signature, timestamp=at, message_id=message_id, body=body)
    with pytest.raises(SignatureInvalid):
        verified(f"v1,{signature}", message_id=message_id, body=body)


def test_wi02_a_body_that_was_changed_by_one_byte_is_refused():
    with pytest.raises(SignatureInvalid):
        verified(GOOD, body=b"y")
