"""What is sealed opens in one spelling, for one purpose, with a key of the list."""

import string

import pytest

from app.core.encryption import Unsealable, Vault

ALPHABET = string.ascii_letters + string.digits + "-_="


@pytest.mark.parametrize("text", ["", "a", "ab", "abc"])
def test_no_other_character_at_any_place_opens_it(text):
    vault = Vault((b"k",))
    sealed = vault.seal(text, purpose="p")
    assert vault.unseal(sealed, purpose="p") == text
    for place, kept in enumerate(sealed):
        for other in set(ALPHABET) - {kept}:
            with pytest.raises(Unsealable):
                vault.unseal(sealed[:place] + other + sealed[place + 1 :], purpose="p")


def test_nothing_may_be_added_or_left_out():
    vault = Vault((b"k",))
    sealed = vault.seal("olá", purpose="p")
    for other in (sealed + "=", sealed + "A", sealed[:-1], "=" + sealed, " " + sealed, ""):
        with pytest.raises(Unsealable):
            vault.unseal(other, purpose="p")


def test_older_keys_go_on_reading_and_other_purposes_never_do():
    old, both = Vault((b"old",)), Vault((b"new", b"old"))
    assert both.unseal(old.seal("olá", purpose="p"), purpose="p") == "olá"
    with pytest.raises(Unsealable):
        old.unseal(both.seal("olá", purpose="p"), purpose="p")
    with pytest.raises(Unsealable):
        old.unseal(old.seal("olá", purpose="p"), purpose="q")
