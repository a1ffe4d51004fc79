"""Forms as they are described, and what may be written in them."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.features.forms.fields import drawn
from app.features.forms.values import check_prefilled, check_values
from app.features.tools.kinds import KINDS
from app.features.tools.kinds.form import FormConfig

KIND = KINDS["form"]
VISIT = {
    "title": "Agende uma visita",
    "fields": [
        {"name": "nome", "label": "Nome", "type": "text", "required": True, "max_length": 40},
        {"name": "email", "label": "E-mail", "type": "email"},
        {"name": "cpf", "label": "CPF", "type": "cpf"},
        {"name": "cnpj", "label": "CNPJ", "type": "cnpj"},
        {"name": "pessoas", "label": "Pessoas", "type": "number", "min": 1, "max": 10},
        {"name": "quando", "label": "Quando?", "type": "date", "min": "2026-12-01"},
        {"name": "contato", "label": "Contato", "type": "select", "options": ["E-mail", "Fone"]},
        {
            "name": "fone",
            "label": "Fone",
            "type": "phone",
            "required": True,
            "visible_if": {"field": "contato", "equals": "Fone"},
        },
        {"name": "aceito", "label": "Aceito", "type": "checkbox", "required": True},
    ],
}
FINE = {"nome": "Ana", "aceito": True}


def fields(config=VISIT):
    return FormConfig.model_validate(config, strict=True).fields


def field(**changes):
    return {"title": "T", "fields": [{"name": "a", "label": "A", "type": "text"} | changes]}


def codes(sent):
    checked = check_values(fields(), sent)
    return {refused.name: refused.code for refused in checked.refused}


def test_each_value_is_brought_to_one_form():
    sent = FINE | {
        "nome": " Ana ",
        "email": "Ana@EXEMPLO.com.br",
        "cpf": "529.982.247-25",
        "cnpj": "12.abc.345/01de-35",
        "pessoas": "2",
        "quando": "24/12/2026",
        "contato": "Fone",
        "fone": "(11) 98765-4321",
    }
    checked = check_values(fields(), sent)
    assert checked.refused == ()
    assert checked.values == {
        "nome": "Ana",
        "email": "Ana@exemplo.com.br",
        "cpf": "52998224725",
        "cnpj": "12ABC34501DE35",
        "pessoas": 2,
        "quando": "2026-12-24",
        "contato": "Fone",
        "fone": "+5511987654321",
        "aceito": True,
    }


@pytest.mark.parametrize(
    ("sent", "name", "code"),
    [
        ({"nome": "  "}, "nome", "required"),
        ({"nome": None}, "nome", "required"),
        ({"nome": "a" * 41}, "nome", "too_long"),
        ({"nome": 5}, "nome", "wrong_type"),
        ({"nome": "a\x07"}, "nome", "control_characters"),
        ({"aceito": False}, "aceito", "required"),
        ({"aceito": "true"}, "aceito", "wrong_type"),
        ({"email": "ana@"}, "email", "invalid_email"),
        ({"cpf": "529.982.247-26"}, "cpf", "invalid_cpf"),
        ({"cnpj": "1"}, "cnpj", "invalid_cnpj"),
        ({"pessoas": 0}, "pessoas", "too_small"),
        ({"pessoas": "11"}, "pessoas", "too_large"),
        ({"pessoas": True}, "pessoas", "invalid_number"),
        ({"pessoas": "dois"}, "pessoas", "invalid_number"),
        ({"quando": "2026-11-30"}, "quando", "too_early"),
        ({"quando": "31/02/2027"}, "quando", "invalid_date"),
        ({"contato": "Carta"}, "contato", "invalid_choice"),
        ({"contato": "Fone"}, "fone", "required"),
        ({"fone": "11987654321"}, "fone", "hidden_field"),
        ({"contato": "E-mail", "fone": "11987654321"}, "fone", "hidden_field"),
        ({"outro": "x"}, "outro", "unknown_field"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(sent, name, code):
    assert codes(FINE | sent) == {name: code}


def test_a_field_that_hangs_on_a_wrong_one_is_not_blamed_for_it():
    assert codes(FINE | {"contato": "Carta", "fone": "1"}) == {"contato": "invalid_choice"}


def test_an_empty_value_of_a_hidden_field_counts_as_left_out():
    assert codes(FINE | {"fone": ""}) == codes(FINE | {"fone": None}) == {}


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30))
NAMES = st.sampled_from([one["name"] for one in VISIT["fields"]] + ["outro"])


@settings(suppress_health_check=[HealthCheck.too_slow])  # where the processor is busy
@given(st.dictionaries(NAMES, VALUES))
def test_what_is_kept_would_be_taken_again_and_fits_into_json(sent):
    checked = check_values(fields(), sent)
    json.dumps(dict(checked.values), allow_nan=False)
    if not checked.refused:
        again = check_values(fields(), checked.values)
        assert (again.values, again.refused) == (checked.values, ())


@given(st.dictionaries(NAMES, VALUES))
def test_what_is_prefilled_fits_its_field_and_ticks_nothing(offered):
    kept = check_prefilled(fields(), offered)
    assert "aceito" not in kept
    assert not {refused.name for refused in check_values(fields(), kept).refused} & (
        kept.keys() - {"fone"}
    )
    assert len(json.dumps(kept)) < 700


def test_a_field_is_drawn_in_the_words_of_json_schema():
    shown = {one["name"]: one for one in drawn(fields(), {"nome": "Ana"})}
    assert shown["nome"] == {
        "name": "nome",
        "label": "Nome",
        "input": "text",
        "type": "string",
        "required": True,
        "maxLength": 40,
        "default": "Ana",
    }
    assert shown["pessoas"]["minimum"] == 1
    assert (shown["quando"]["format"], shown["quando"]["formatMinimum"]) == ("date", "2026-12-01")
    assert shown["contato"]["enum"] == ["E-mail", "Fone"]
    assert shown["fone"]["visible_if"] == {"field": "contato", "equals": "Fone"}
    assert shown["aceito"]["type"] == "boolean"


def test_the_model_may_offer_a_value_for_each_field_that_is_not_ticked():
    schema = KIND.parameters(FormConfig.model_validate(VISIT, strict=True))
    assert set(schema["properties"]) == {one["name"] for one in VISIT["fields"]} - {"aceito"}
    assert schema["properties"]["contato"]["enum"] == ["E-mail", "Fone"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    "config",
    [
        {"title": "T", "fields": []},
        {"title": "", "fields": VISIT["fields"]},
        {"title": "T", "fields": VISIT["fields"] * 2},
        field(type="password"),
        field(name="a b"),
        field(options=["x"]),
        field(type="select"),
        field(type="select", options=["x", "x"]),
        field(min=1),
        field(type="number", min="1"),
        field(type="number", min=True),
        field(type="number", min=2, max=1),
        field(type="date", min="amanhã"),
        field(type="date", min="2026-12-02", max="2026-12-01"),
        field(type="number", max_length=3),
        field(min_length=5, max_length=4),
        field(visible_if={"field": "a", "equals": "x"}),
        field(visible_if={"field": "b", "equals": "x"}),
        field(pattern=".*"),
        {
            "title": "T",
            "fields": [
                *VISIT["fields"][:7],
                VISIT["fields"][7] | {"visible_if": {"field": "contato", "equals": "Carta"}},
            ],
        },
        {
            "title": "T",
            "fields": [
                {"name": "a", "label": "A", "type": "checkbox"},
                {
                    "name": "b",
                    "label": "B",
                    "type": "text",
                    "visible_if": {"field": "a", "equals": "sim"},
                },
            ],
        },
        {
            "title": "T",
            "fields": [{"name": f"a{n}", "label": "á" * 90, "type": "text"} for n in range(6)],
        },
    ],
)
def test_a_form_that_could_not_work_is_refused(config):
    with pytest.raises(ValueError, match=r"."):
        FormConfig.model_validate(config, strict=True)
