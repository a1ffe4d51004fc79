"""The stems that are made now are those that the index was made with."""

import random
import string

import pytest

from app.adapters.store.migrations import read_migrations

pytestmark = pytest.mark.anyio
TEXTS = 1_500
VOWELS, CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"
BEGINNINGS = (
    *("a", "ag", "d", "de", "her", "im", "mag", "p", "pa", "se", "ut", "x"),
    *("fac", "fic", "mut", "nut", "fut", "frag", "ert", "ster", "ext", "jet", "ept", "hab"),
    *("deb", "doc", "lat", "rsat", "tat", "miss", "foss"),
)
ENDINGS = (
    *("eis", "oes", "aes", "ais", "ois", "uis", "is", "es", "s", "eus", "aus", "oos", "deus"),
    *("cao", "caos", "acao", "icao", "ucao", "ecao", "acoes", "n", "ns", "aos", "eias"),
    *("pais", "paises", "maos", "vaos", "maes", "leis", "bois", "herois", "crus", "rus", "nus"),
    *("das", "gas", "ses", "tes", "nes", "mos", "nos", "vos", "9h", "9h30", "12h5", "10h300"),
)
# Also such as come between words and change with them: marks without a letter, signs that stand
# for several, spaces of other widths.
BETWEEN = [
    *"\n\t,.;-/|\\_'’“”–—…ºª!?()<>&=+#%@:~^*\"[]{}·☕中の\u0301\u0328\u00a0\u200b½Ⅳﬁßœ°€→²",
    "\r\n",
    "... ",
    " — ",
]
ACCENTED = {"a": "áàâãäA", "e": "éêèëE", "i": "íìïI", "o": "óôõöO", "u": "úùüU", "c": "çC"}
WORDS = ("İstanbul", "ΣΊΣΥΦΟΣ", "Журнал", "naïve", "façade", "Ñandú", "ação", "é", "退货政策")


def earlier(name: str) -> str:
    """A function as the index of today was made with it, under another name."""
    steps = {step.name: step.sql for step in read_migrations()}
    start = f"create or replace function agentes.{name}"
    body = steps["know_short_plurals"].partition(start)[2].partition("$$;")[0]
    body = body.replace("agentes.portuguese_endings", "pg_temp.portuguese_endings")
    return f"create function pg_temp.{name}{body}$$"


def a_word(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.1:
        return chance.choice(WORDS)
    if kind < 0.5:
        shape = chance.choice(("cv", "cvv", "ccv", "ccvv", "vcv", "vccv", "v", "vv", "cvc"))
        word = "".join(chance.choice(VOWELS if one == "v" else CONSONANTS) for one in shape) + "s"
    elif kind < 0.9:
        word = "".join(chance.choices(("", *BEGINNINGS), k=2)) + chance.choice(ENDINGS)
    else:
        word = "".join(chance.choices(string.ascii_lowercase, k=chance.randint(1, 9)))
    return "".join(
        chance.choice(ACCENTED[one]) if one in ACCENTED and chance.random() < 0.2 else one
        for one in word
    )


def a_text(chance: random.Random) -> str:
    return "".join(
        a_word(chance) + (chance.choice(BETWEEN) if chance.random() < 0.4 else " ")
        for _ in range(chance.choice((1, 2, 5, 40, 120)))
    )


@pytest.mark.once
@pytest.mark.parametrize("language", ["pt-BR", "en", "fr", "ja"])
async def test_texts_have_the_stems_that_they_were_indexed_with(connection, request, language):
    seed = request.config.getoption("seed")
    chance = random.Random(f"{seed} {language}")
    await connection.execute(earlier("portuguese_endings"))
    await connection.execute(earlier("text_vector"))
    texts = ["", "s", "eus", "deus", "paises", "|as|s", *(a_text(chance) for _ in range(TEXTS))]
    other = await connection.fetch(
        "select t from unnest($2::text[]) t"
        " where agentes.text_vector($1, t) is distinct from pg_temp.text_vector($1, t)",
        language,
        texts,
    )
    assert [row["t"] for row in other] == []


@pytest.mark.once
async def test_each_letter_is_folded_alone_as_it_is_elsewhere(connection):
    """Whatever is passed over as having no accents has none."""
    await connection.execute(earlier("portuguese_endings"))
    await connection.execute(earlier("text_vector"))
    other = await connection.fetch(
        "select c from generate_series(1, 70000) c where c not between 55296 and 57343"
        " and agentes.text_vector('pt', 'a' || chr(c) || 'b c' || chr(c))"
        " is distinct from pg_temp.text_vector('pt', 'a' || chr(c) || 'b c' || chr(c))"
    )
    assert [row["c"] for row in other] == []
