"""Contact details in the forms that people write them in."""

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.contact_fields import (
    ValueRefused,
    calendar_date,
    cnpj,
    cpf,
    email_address,
    number,
    one_line,
    paragraph,
    phone_number,
    tax_id,
)

DIGITS = st.text("0123456789", min_size=9, max_size=9).filter(lambda base: len(set(base)) > 1)
ROOTS = st.text(string.digits + string.ascii_uppercase, min_size=12, max_size=12)


def check_digits(base: str, weights_of_first: list[int]) -> str:
    """As the Receita writes it down: weights from left to right, the second sum with one more."""
    values = [ord(character) - 48 for character in base]
    first_weight = weights_of_first[0] + 1
    for weights in (weights_of_first, [first_weight, *weights_of_first]):
        rest = sum(value * weight for value, weight in zip(values, weights, strict=True)) % 11
        values.append(0 if rest < 2 else 11 - rest)
    return "".join(str(value) for value in values[-2:])


def cpf_of(base: str) -> str:
    return base + check_digits(base, [10, 9, 8, 7, 6, 5, 4, 3, 2])


def cnpj_of(base: str) -> str:
    return base + check_digits(base, [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])


@given(DIGITS)
def test_a_cpf_is_taken_with_its_own_check_digits_and_with_no_others(base):
    whole = cpf_of(base)
    taken = [base + f"{n:02}" for n in range(100) if is_taken(cpf, base + f"{n:02}")]
    assert taken == [whole]
    assert cpf(f"{whole[:3]}.{whole[3:6]}.{whole[6:9]}-{whole[9:]}") == whole


@given(ROOTS.filter(lambda base: len(set(base)) > 1))
def test_a_cnpj_with_letters_is_taken_with_its_own_check_digits_and_with_no_others(base):
    whole = cnpj_of(base)
    taken = [base + f"{n:02}" for n in range(100) if is_taken(cnpj, base + f"{n:02}")]
    assert taken == [whole]
    written = f"{whole[:2]}.{whole[2:5]}.{whole[5:8]}/{whole[8:12]}-{whole[12:]}"
    assert cnpj(written.lower()) == whole == tax_id(written)


@given(st.one_of(DIGITS.map(cpf_of), ROOTS.map(cnpj_of)), st.data())
def test_one_wrong_digit_makes_another_number(whole, data):
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != whole[place]]))
    if whole[place].isdigit():
        # Modulo 11 takes 10 for 0, so of digits before the last two a few slips stay unseen.
        wrong = whole[:place] + other + whole[place + 1 :]
        assert not is_taken(tax_id, wrong) or place < len(whole) - 2


def is_taken(check, text: str) -> bool:
    try:
        check(text)
    except ValueRefused:
        return False
    return True


@pytest.mark.parametrize(
    ("check", "text", "kept"),
    [
        (cpf, " 529.982.247-25 ", "52998224725"),
        (cnpj, "11.222.333/0001-81", "11222333000181"),
        (cnpj, "12.ABC.345/01DE-35", "12ABC34501DE35"),
        (cnpj, "00.000.000/0001-91", "00000000000191"),
        (email_address, " Ana.Souza+loja@Exemplo.COM.BR ", "Ana.Souza+loja@exemplo.com.br"),
        (phone_number, "(11) 98765-4321", "+5511987654321"),
        (phone_number, "011 98765.4321", "+5511987654321"),
        (phone_number, "５５１１９８７６５４３２１", "+5511987654321"),
        (phone_number, "+1 650-253-0000", "+16502530000"),
        (phone_number, "0800 729 0722", "+558007290722"),
        (one_line, "  Ana \n  Souza ", "Ana Souza"),
        (paragraph, "a\r\nb", "a\nb"),
        (calendar_date, "23/11/2026", "2026-11-23"),
        (calendar_date, "2028-02-29", "2028-02-29"),
        (number, "1234,5", 1234.5),
        (number, "-7", -7),
        (number, 0.5, 0.5),
    ],
)
def test_a_value_is_brought_to_one_form(check, text, kept):
    assert check(text) == kept


@pytest.mark.parametrize(
    ("check", "text", "code"),
    [
        (cpf, "111.111.111-11", "invalid_cpf"),
        (cpf, "529.982.247-26", "invalid_cpf"),
        (cpf, "5299822472", "invalid_cpf"),
        (cpf, "٥٢٩٩٨٢٢٤٧٢٥", "invalid_cpf"),
        (cpf, "529.982.247-25" + " " * 30 + "x", "invalid_cpf"),
        (cnpj, "00000000000000", "invalid_cnpj"),
        (cnpj, "12.ABC.345/01DE-3A", "invalid_cnpj"),
        (cnpj, "12.ÁBC.345/01DE-35", "invalid_cnpj"),
        (tax_id, "123", "invalid_document"),
        (email_address, "bia@loja", "invalid_email"),
        (email_address, "Ana <ana@exemplo.com.br>", "invalid_email"),
        (email_address, "a@exemplo.com.br\nBcc: x@y.com", "invalid_email"),
        (email_address, "a" * 250 + "@exemplo.com.br", "invalid_email"),
        (phone_number, "91234-5678", "invalid_phone"),
        (phone_number, "11 8765-4321", "invalid_phone"),
        (phone_number, "(11) 98765-4321 ramal 3", "invalid_phone"),
        (phone_number, "não informado", "invalid_phone"),
        (phone_number, "1" * 1000, "invalid_phone"),
        (one_line, " \t ", "empty"),
        (one_line, "a" * 201, "too_long"),
        (one_line, "a\x00b", "control_characters"),
        (paragraph, "a\x1b[31mb", "control_characters"),
        (calendar_date, "2026-02-29", "invalid_date"),
        (calendar_date, "11/23/2026", "invalid_date"),
        (calendar_date, "0000-01-01", "invalid_date"),
        (number, "1.234,5", "invalid_number"),
        (number, float("nan"), "invalid_number"),
        (number, True, "invalid_number"),
        (number, "1e9", "invalid_number"),
    ],
)
def test_what_cannot_be_is_refused_with_a_code_and_without_the_value(check, text, code):
    with pytest.raises(ValueRefused) as refusal:
        check(text)
    assert refusal.value.code == code
    assert str(text) not in refusal.value.detail


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_no_text_does_more_than_be_refused(text):
    for check in (cpf, cnpj, tax_id, email_address, phone_number, one_line, calendar_date, number):
        if is_taken(check, text):
            kept = check(text)
            assert check(kept) == kept
            assert not re.search(r"[\x00-\x1f]", str(kept))
