"""Leads as agents take them: over several turns, with consent, one a person."""

import asyncio
from random import Random

import pytest

from app.container import open_ports
from app.core.ids import new_id
from app.features.leads.service import LeadService
from app.features.tools.kinds import KINDS
from app.features.tools.kinds.kind import ToolFailed
from tests.support.tool_calls import Shop, a_shop

pytestmark = pytest.mark.anyio
KIND = KINDS["lead_capture"]
ASKED = {"required_fields": ["name", "email"], "optional_fields": ["phone", "interesse"]}
CONSENT = "Aceito receber contato."
ANA = {"name": "Ana Souza", "email": "ana@exemplo.com.br"}


@pytest.fixture
async def shop(settings):
    async with open_ports(settings) as ports:
        yield await a_shop(ports)


async def capture(shop: Shop, conversation, arguments, *, key=None, **config):
    result = await shop.call("lead_capture", ASKED | config, arguments, conversation, key=key)
    return result.content


async def shown(shop: Shop, conversation, text=CONSENT, answer="Sim"):
    """The assistant writes the text and the visitor answers."""
    await shop.says(conversation, "assistant", f"Antes de seguir:\n> **{text}**\nVocê concorda?")
    if answer:
        await shop.says(conversation, "user", answer)


async def leads(shop: Shop):
    service = LeadService(shop.ports, shop.organization_id)
    return await service.page(limit=100, after=None, q=None, where={})


async def captured(shop: Shop):
    return await announced(shop, "lead_captured")


async def announced(shop: Shop, type_: str):
    return [fact["data"] for fact in await shop.facts() if fact["type"] == type_]


async def test_a_lead_is_given_over_several_turns_and_announced_when_it_is_whole(shop):
    conversation = await shop.a_conversation()
    told = await capture(shop, conversation, {"name": "Ana  Souza"})
    assert (told["status"], told["stored"]) == ("incomplete", ["name"])
    assert [missing["field"] for missing in told["missing"]] == ["email"]
    assert [lead.is_complete for lead in await leads(shop)] == [False]
    assert await captured(shop) == []
    told = await capture(shop, conversation, {"email": "ana@exemplo.com.br", "interesse": "anual"})
    assert told["status"] == "captured"
    (lead,) = await leads(shop)
    assert (lead.name, lead.email, lead.is_complete) == (*ANA.values(), True)
    assert (lead.agent_id, lead.conversation_id) == (shop.agent_id, conversation)
    assert (lead.visitor_id, lead.source) == ("visitante-1", "chat")
    assert lead.fields == {"interesse": "anual"}
    (fact,) = await captured(shop)
    assert fact["lead_id"] == lead.id
    assert (fact["email"], fact["fields"]) == (lead.email, lead.fields)


async def test_what_is_said_later_corrects_the_same_lead_without_a_new_announcement(shop):
    conversation = await shop.a_conversation()
    await capture(shop, conversation, ANA)
    await capture(shop, conversation, {"email": "ana2@exemplo.com.br", "phone": "11987654321"})
    (lead,) = await leads(shop)
    assert (lead.email, lead.phone) == ("ana2@exemplo.com.br", "+5511987654321")
    assert len(await captured(shop)) == 1


async def test_without_consent_a_lead_is_not_complete_and_with_it_text_and_time_are_kept(shop):
    conversation = await shop.a_conversation()
    told = await capture(shop, conversation, ANA, consent_text=CONSENT)
    assert told["consent"]["text"] == CONSENT
    told = await capture(shop, conversation, {"consent": False}, consent_text=CONSENT)
    assert told["status"] == "incomplete"
    assert await captured(shop) == []
    await shown(shop, conversation)
    told = await capture(shop, conversation, {"consent": True}, consent_text=CONSENT)
    assert told["status"] == "captured"
    (lead,) = await leads(shop)
    assert lead.consent is not None
    assert (lead.consent.text, lead.consent.conversation_id) == (CONSENT, conversation)
    first = lead.consent.given_at
    await capture(shop, conversation, {"consent": True}, consent_text=CONSENT)
    assert (await leads(shop))[0].consent.given_at == first


async def test_consent_does_not_count_before_its_text_was_shown_and_answered(shop):
    conversation = await shop.a_conversation()
    agreed = {"consent": True}
    for _ in range(2):  # however often the model was told the text, the visitor was not
        told = await capture(shop, conversation, ANA | agreed, consent_text=CONSENT)
        assert (told["status"], told["consent"]["text"]) == ("incomplete", CONSENT)
        await shop.says(conversation, "assistant", "Posso registrar o seu contato?")
        await shop.says(conversation, "user", "Sim")
    assert [(lead.is_complete, lead.consent) for lead in await leads(shop)] == [(False, None)]
    await shop.says(conversation, "user", CONSENT)  # and they need not know what they write
    await shown(shop, conversation, answer="")
    told = await capture(shop, conversation, agreed, consent_text=CONSENT)
    assert told["status"] == "incomplete", "it was shown and not answered yet"
    assert await captured(shop) == []
    await shop.says(conversation, "user", "Sim, concordo")
    told = await capture(shop, conversation, agreed, consent_text="Outro texto.")
    assert (told["status"], told["consent"]["text"]) == ("incomplete", "Outro texto.")
    told = await capture(shop, conversation, agreed, consent_text=CONSENT)
    assert told["status"] == "captured"


async def test_consent_alone_makes_no_lead_and_counts_for_the_first_detail(shop):
    conversation = await shop.a_conversation()
    await shown(shop, conversation)
    told = await capture(shop, conversation, {"consent": True}, consent_text=CONSENT)
    assert (told["status"], await leads(shop)) == ("incomplete", [])
    told = await capture(shop, conversation, ANA, consent_text=CONSENT)
    assert told["status"] == "captured"
    (lead,) = await leads(shop)
    assert (lead.name, lead.consent.text) == (ANA["name"], CONSENT)


@pytest.mark.parametrize(
    ("answers", "counts"),
    [
        (("Não, não aceito!",), False),
        (("não",), False),
        (("No, thanks", "Quanto custa?"), False),
        (("Eu não autorizo isso.", "E o prazo?"), False),
        (("Não quero receber ligações",), False),
        (("Não", "Pensando melhor: sim, aceito"), True),
        (("Pode ser", "No sábado eu passo aí"), True),
        (("Não tenho dúvidas, aceito",), True),
        (("Claro que não!",), False),
        (("Não pode",), False),
        (("Ok, mas não",), False),
        (("Eu não quero",), False),
        (("De jeito nenhum",), False),
        (("I don't agree",), False),
        (("No estoy de acuerdo",), False),
        (("Não", "claro que não"), False),
        (("Aceito",), True),
        (("Por que não? Aceito",), True),
        (("No WhatsApp aceito",), True),
        (("Não tem problema",), True),
        (("Meu CPF é 529.982.247-25",), True),
    ],
)
async def test_a_no_is_no_consent(shop, answers, counts):
    conversation = await shop.a_conversation()
    await shown(shop, conversation, answer=answers[0])
    for each in answers[1:]:
        await shop.says(conversation, "user", each)
    told = await capture(shop, conversation, ANA | {"consent": True}, consent_text=CONSENT)
    assert told["status"] == ("captured" if counts else "incomplete")


@pytest.mark.parametrize(
    ("note", "metadata", "counts"),
    [
        (f"[Formulário enviado: Contato]\n{CONSENT}: sim", {"form_submission_id": "1"}, True),
        (f"[Formulário enviado: Contato]\n{CONSENT}: não", {"form_submission_id": "1"}, False),
        (f"[Formulário enviado: Contato]\n{CONSENT}: sim", {}, False),
    ],
    ids=["ticked", "not ticked", "typed by hand"],
)
async def test_a_ticked_box_beside_the_text_is_consent(shop, note, metadata, counts):
    conversation = await shop.a_conversation()
    await shop.says(conversation, "user", note, metadata=metadata)
    told = await capture(shop, conversation, ANA | {"consent": True}, consent_text=CONSENT)
    assert (told["status"] == "captured") is counts


async def test_a_text_that_another_conversation_saw_is_no_consent(shop):
    await shown(shop, await shop.a_conversation())
    conversation = await shop.a_conversation()
    told = await capture(shop, conversation, ANA | {"consent": True}, consent_text=CONSENT)
    assert told["status"] == "incomplete"


async def test_consent_counts_for_its_own_text_and_can_be_taken_back(shop):
    conversation = await shop.a_conversation()
    await shown(shop, conversation)
    await capture(shop, conversation, ANA | {"consent": True}, consent_text=CONSENT)
    told = await capture(shop, conversation, {"name": "Ana"}, consent_text="Outro texto.")
    assert told["consent"]["text"] == "Outro texto."
    await capture(shop, conversation, {"consent": False}, consent_text=CONSENT)
    (lead,) = await leads(shop)
    assert lead.consent is not None
    assert lead.consent.withdrawn_at is not None
    assert len(await captured(shop)) == 1


async def test_the_same_call_made_again_changes_nothing_and_answers_the_same(shop):
    conversation = await shop.a_conversation()
    first = await capture(shop, conversation, {"name": "Ana"}, key="run:call")
    await capture(shop, conversation, {"email": "ana@exemplo.com.br"})
    again = await capture(shop, conversation, {"name": "Ana"}, key="run:call")
    assert again == first
    assert len(await captured(shop)) == 1


@pytest.mark.parametrize("same", ["email", "phone", "cpf"])
async def test_who_comes_back_is_the_same_lead_with_what_is_new(shop, same):
    asked = {"required_fields": ["name", same], "optional_fields": ["interesse"]}
    value = {"email": "ana@exemplo.com.br", "phone": "11987654321", "cpf": "529.982.247-25"}[same]
    await capture(shop, await shop.a_conversation(), {"name": "Ana", same: value}, **asked)
    conversation = await shop.a_conversation()
    await capture(shop, conversation, {"name": "Ana Souza"}, **asked)
    told = await capture(shop, conversation, {same: value, "interesse": "x"}, **asked)
    assert told["status"] == "captured"
    (lead,) = await leads(shop)
    assert (lead.name, lead.fields) == ("Ana", {})
    (contact,) = lead.contacts
    alternatives = {"name": "Ana Souza", "interesse": "x"}
    assert (contact.conversation_id, contact.alternatives) == (conversation, alternatives)
    assert len(await captured(shop)) == 1
    (fact,) = await announced(shop, "lead_updated")
    assert (fact["lead_id"], fact["conversation_id"]) == (lead.id, conversation)
    assert (fact["added"], fact["alternatives"]) == (["interesse"], alternatives)


async def test_a_stranger_who_names_somebodys_details_overwrites_nothing(shop):
    asked = {"required_fields": ["name", "email", "phone", "cpf"], "consent_text": CONSENT}
    asked |= {"optional_fields": ["interesse"]}
    carla = {"name": "Carla", "email": "carla@exemplo.com.br", "phone": "11987654321"}
    carla |= {"cpf": "529.982.247-25", "interesse": "anual"}
    mallory = carla | {"name": "Mallory", "phone": "21912345678", "interesse": "nada"}
    first, second = await shop.a_conversation("v-carla"), await shop.a_conversation("v-mallory")
    for conversation, person in ((first, carla), (second, mallory)):
        await capture(shop, conversation, person, **asked)
        await shown(shop, conversation)
        told = await capture(shop, conversation, {"consent": True}, **asked)
        assert told["status"] == "captured"
    await capture(shop, second, {"email": "mallory@exemplo.com.br", "consent": False}, **asked)
    (lead,) = await leads(shop)
    assert (lead.name, lead.email, lead.phone) == ("Carla", carla["email"], "+5511987654321")
    assert (lead.fields, lead.conversation_id) == ({"interesse": "anual"}, first)
    assert lead.consent is not None
    assert (lead.consent.conversation_id, lead.consent.withdrawn_at) == (first, None)
    (contact,) = lead.contacts
    assert contact.alternatives == {
        "name": "Mallory",
        "email": "mallory@exemplo.com.br",
        "phone": "+5521912345678",
        "interesse": "nada",
    }
    assert contact.consent is not None
    assert contact.consent.conversation_id == second
    assert contact.consent.withdrawn_at is not None
    service = LeadService(shop.ports, shop.organization_id)
    for conversation in (first, second):
        where = {"conversation_id": conversation}
        found = await service.page(limit=9, after=None, q=None, where=where)
        assert [each.id for each in found] == [lead.id]
    assert len(await announced(shop, "lead_updated")) == 2
    scope = shop.ports.database.scoped(shop.organization_id)
    for name, value, theirs in (
        ("visitor_id", "v-mallory", {second}),
        ("lead_id", lead.id, {first}),
        ("email", "mallory@exemplo.com.br", {second}),
    ):
        person = await scope.call("person_export_v3", person={name: value})
        assert {each["id"] for each in person["conversations"]} == theirs
        if name == "lead_id":
            assert [each["id"] for each in person["leads"]] == [lead.id]
        else:  # what was only claimed
            assert person["leads"] == []
            assert len(person["records"]["lead_contacts"]) == 1


async def test_who_only_knows_an_e_mail_adds_nothing_to_somebodys_lead(shop):
    asked = {"required_fields": ["email"], "consent_text": CONSENT}
    asked |= {"optional_fields": ["name", "company", "cpf", "interesse"]}
    first = {"required_fields": ["email"]}
    await capture(shop, await shop.a_conversation(), {"email": ANA["email"]}, **first)
    (before,) = await leads(shop)
    assert before.is_complete
    conversation = await shop.a_conversation("v-mallory")
    mallory = {"company": "Mal Ltda", "cpf": "529.982.247-25", "name": "M", "interesse": "x"}
    await shown(shop, conversation)
    sent = mallory | {"email": ANA["email"], "consent": True}
    told = await capture(shop, conversation, sent, **asked)
    assert told["status"] == "captured"
    (lead,) = await leads(shop)
    assert (lead.document, lead.company, lead.name, lead.fields) == (None, None, None, {})
    assert (lead.consent, lead.visitor_id) == (None, "visitante-1")
    (contact,) = lead.contacts
    stored = {"company": "Mal Ltda", "document": "52998224725", "name": "M", "interesse": "x"}
    assert contact.alternatives == stored
    assert contact.consent is not None


async def test_who_is_known_stays_as_known_where_duplicates_are_ignored(shop):
    await capture(shop, await shop.a_conversation(), ANA)
    conversation = await shop.a_conversation()
    for arguments in ({"name": "Outra"}, {"email": ANA["email"].upper()}, {"interesse": "x"}):
        await capture(shop, conversation, arguments, on_duplicate="ignore")
    (lead,) = await leads(shop)
    assert (lead.name, lead.fields) == (ANA["name"], {})


async def test_the_model_never_learns_what_a_lead_of_another_conversation_holds(shop):
    await capture(shop, await shop.a_conversation(), ANA | {"phone": "11987654321"})
    told = await capture(shop, await shop.a_conversation(), {"email": ANA["email"]})
    assert told["stored"] == ["email"]
    assert [missing["field"] for missing in told["missing"]] == ["name"]


@pytest.mark.parametrize("on_duplicate", ["update", "ignore"])
async def test_calls_at_once_make_one_lead(shop, on_duplicate):
    conversations = [await shop.a_conversation() for _ in range(6)]
    calls = [
        capture(shop, conversation, ANA, on_duplicate=on_duplicate)
        for conversation in conversations * 2
    ]
    told = await asyncio.gather(*calls)
    assert {each["status"] for each in told} == {"captured"}
    assert len(await leads(shop)) == len(await captured(shop)) == 1


async def test_pieces_that_come_at_once_make_one_whole_lead(shop):
    conversation = await shop.a_conversation()
    pieces = [{name: value} for name, value in ANA.items()]
    told = await asyncio.gather(*(capture(shop, conversation, piece) for piece in pieces))
    assert sorted(each["status"] for each in told) == ["captured", "incomplete"]
    (lead,) = await leads(shop)
    assert (lead.name, lead.email) == tuple(ANA.values())


async def test_however_the_pieces_are_cut_and_ordered_one_lead_holds_the_last_of_each(shop):
    random = Random(20261126)
    expected = {}
    for n in range(12):
        conversation = await shop.a_conversation()
        said = [("name", "Ana"), ("email", f"a{n}@b.com"), ("interesse", "x"), ("name", "Bia")]
        random.shuffle(said)
        expected[conversation] = dict(said)
        while said:
            cut = random.randint(1, len(said))
            told = await capture(shop, conversation, dict(said[:cut]))
            said = said[cut:]
        assert told["status"] == "captured"
    kept = {
        lead.conversation_id: {"name": lead.name, "email": lead.email} | lead.fields
        for lead in await leads(shop)
    }
    assert kept == expected
    assert len(await captured(shop)) == 12


async def test_what_is_wrong_is_told_by_field_and_the_rest_is_kept(shop):
    conversation = await shop.a_conversation()
    with pytest.raises(ToolFailed) as failure:
        await capture(shop, conversation, {"name": "Ana", "email": "ana@", "phone": "123"})
    assert (failure.value.code, failure.value.is_mendable) == ("invalid_fields", True)
    assert "email is not an e-mail" in failure.value.detail
    assert "phone is not a telephone" in failure.value.detail
    assert "stored: name" in failure.value.detail
    told = await capture(shop, conversation, {"email": "ana@exemplo.com.br"})
    assert told["status"] == "captured"


@pytest.mark.parametrize(
    "arguments", [{}, {"name": " "}, {"credit_card": "4111"}, {"consent": True}, {"name": 5}]
)
async def test_nothing_and_what_was_not_asked_make_no_lead(shop, arguments):
    with pytest.raises(ToolFailed) as failure:
        await capture(shop, await shop.a_conversation(), arguments)
    assert failure.value.is_mendable
    assert await leads(shop) == []


async def test_a_test_call_checks_and_stores_nothing(shop):
    result = await shop.call("lead_capture", ASKED, ANA, None)
    assert result.content["status"] == "valid"
    assert "nothing is stored" in result.content["next"]
    partly = await shop.call("lead_capture", ASKED, {"name": "Ana"}, None)
    assert (partly.content["valid"], "stored" in partly.content) == (["name"], False)
    assert result.trace["stored"] is False
    assert await leads(shop) == []
    with pytest.raises(ToolFailed) as failure:
        await shop.call("lead_capture", ASKED, ANA | {"phone": "123"}, None)
    assert "is a test, nothing is stored" in failure.value.detail
    assert "were stored" not in failure.value.detail


async def test_a_conversation_of_another_organization_takes_no_lead(shop):
    other = await a_shop(shop.ports)
    for conversation in (await other.a_conversation(), new_id()):
        with pytest.raises(ToolFailed) as failure:
            await capture(shop, conversation, ANA)
        assert failure.value.code == "conversation_not_found"
    assert await leads(shop) == await leads(other) == []


async def test_a_lead_outlives_its_conversation_and_what_was_said_of_it_does_not_outlive_the_lead(
    shop, connection
):
    first, second = await shop.a_conversation(), await shop.a_conversation()
    await capture(shop, first, ANA)
    await capture(shop, second, {"name": "Bia"})
    scope = shop.ports.database.scoped(shop.organization_id)
    assert await scope.call("row_delete_v1", table="conversations", id=first)
    assert {lead.conversation_id for lead in await leads(shop)} == {None, second}
    service = LeadService(shop.ports, shop.organization_id)
    for lead in await leads(shop):
        await service.delete(lead.id)
    kept = await connection.fetchval(
        "select (select count(*) from agentes.lead_drafts) + (select count(*) from agentes.leads)"
    )
    assert kept == 0


async def test_the_schema_lets_the_model_send_what_is_asked_and_nothing_else(shop):
    config = KIND.config.model_validate(dict(KIND.example), strict=True)
    schema = KIND.parameters(config)
    assert set(schema["properties"]) == {"name", "email", "phone", "cpf", "interesse", "consent"}
    assert schema["additionalProperties"] is False
    without = KIND.config.model_validate({"required_fields": ["email"]}, strict=True)
    assert "consent" not in KIND.parameters(without)["properties"]


@pytest.mark.parametrize(
    "config",
    [
        {"required_fields": []},
        {"required_fields": ["name", "name"]},
        {"required_fields": ["name"], "optional_fields": ["name"]},
        {"required_fields": ["consent"]},
        {"required_fields": ["cpf", "cnpj"]},
        {"required_fields": ["Nome Completo"]},
        {"required_fields": ["name"], "on_duplicate": "merge"},
        {"required_fields": ["name"], "consent_text": ""},
        {"required_fields": ["name"], "colour": "red"},
    ],
)
def test_a_configuration_that_could_not_work_is_refused(config):
    with pytest.raises(ValueError, match=r"."):
        KIND.config.model_validate(config, strict=True)
