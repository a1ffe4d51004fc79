"""What is sealed opens in one spelling, for one purpose, with a key of the list."""

import os
import string
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.core.encryption import (
    LastingVault,
    Unsealable,
    Vault,
    keep_key,
    kept_key,
    new_lasting_key,
)
from app.core.errors import CannotStart
from app.ports.store import StoreUnavailable

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


def test_what_lasts_opens_whatever_key_the_secrets_have():
    lasting, earlier = LastingVault(StoreUnavailable), Vault((b"old",))
    for ask in (lasting.seal, lasting.unseal):
        with pytest.raises(StoreUnavailable):
            ask("x", purpose="p")
    key = new_lasting_key()
    lasting.use(key, earlier=earlier)
    sealed = lasting.seal("olá", purpose="p")
    assert lasting.unseal(earlier.seal("de antes", purpose="p"), purpose="p") == "de antes"
    lasting.use(key, earlier=Vault((b"new",)))
    assert lasting.unseal(sealed, purpose="p") == "olá"
    for other in (earlier.seal("de antes", purpose="p"), earlier.seal("x", purpose="q")):
        with pytest.raises(Unsealable):
            lasting.unseal(other, purpose="p")


def test_a_lasting_key_may_be_what_the_secrets_are_sealed_with():
    lasting, earlier = LastingVault(StoreUnavailable), Vault((b"old",))
    lasting.use(earlier.sealing_key(), earlier=Vault((b"new",)))
    assert earlier.unseal(lasting.seal("olá", purpose="p"), purpose="p") == "olá"
    assert lasting.unseal(earlier.seal("olá", purpose="p"), purpose="p") == "olá"


def test_processes_that_share_a_new_folder_share_its_key_from_the_first_moment(tmp_path):
    with ThreadPoolExecutor(8) as several:
        for number in range(50):
            path = tmp_path / str(number) / "encryption_key"
            keys = set(several.map(keep_key, [path] * 8))
            assert keys == {kept_key(path)}
            assert path.stat().st_mode & 0o777 == 0o600
            assert list(path.parent.iterdir()) == [path]


def test_a_key_is_made_also_where_the_file_system_knows_no_links(tmp_path, monkeypatch):
    def refused(*_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    key = keep_key(tmp_path / "encryption_key")
    assert len(key) == 44
    assert keep_key(tmp_path / "encryption_key") == key
    assert os.listdir(tmp_path) == ["encryption_key"]


@pytest.mark.parametrize("held", ["", "\n", "k" * 31])
def test_a_file_without_a_whole_key_is_never_taken_for_one(tmp_path, held):
    path = tmp_path / "encryption_key"
    path.write_text(held)
    for read in (keep_key, kept_key):
        with pytest.raises(CannotStart, match=r"encryption_key holds no key.*from a backup"):
            read(path)
    assert path.read_text() == held
