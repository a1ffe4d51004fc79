"""Forms in a conversation: shown, drawn again, sent once, known to the next answer."""

import asyncio
import csv
import io
from dataclasses import replace

import pytest

from app.container import open_ports
from app.core.ids import AgentId, OrganizationId, new_id
from app.features.forms.errors import FormNotFound
from app.features.forms.service import FormService
from app.features.identity.keys import new_key
from app.features.identity.repository import IdentityRepository
from app.features.tools.kinds.kind import ToolFailed
from app.web.caller import Visitor, VisitorBudget
from tests.support.stories import an_agent, asking, stream, text_of
from tests.support.tool_calls import Shop, a_shop

pytestmark = pytest.mark.anyio
FORMS = "/api/v2/forms"
CONFIG = {
    "title": "Agende uma visita",
    "fields": [
        {"name": "nome", "label": "Seu nome", "type": "text", "required": True},
        {"name": "quando", "label": "Quando?", "type": "date", "required": True},
        {"name": "aceito", "label": "Aceito os termos", "type": "checkbox"},
    ],
    "submit_message": "Até lá!",
}
SENT = {"nome": "Ana", "quando": "24/12/2026", "aceito": True}


@pytest.fixture
async def shop(client, settings):
    """The organization of the client, with an agent that it has made."""
    agent = await an_agent(client)
    async with open_ports(settings) as ports:
        yield Shop(ports, OrganizationId(agent["organization_id"]), AgentId(agent["id"]))


async def shown(shop: Shop, conversation, arguments=None, *, key=None, **config):
    result = await shop.call("form", CONFIG | config, arguments or {}, conversation, key=key)
    assert result.form is not None
    return result.form.data


async def send(client, form, values):
    return await client.post(f"{FORMS}/{form['form_id']}/submissions", json={"values": values})


async def messages(client, conversation):
    return (await client.get(f"/api/v2/conversations/{conversation}/messages")).json()["data"]


async def test_a_form_is_shown_as_the_event_says_and_can_be_drawn_again(client, shop):
    conversation = await shop.a_conversation()
    data = await shown(shop, conversation, {"nome": "Ana", "quando": "nunca"})
    assert set(data) == {"form_id", "title", "fields", "submit_url"}
    assert data["submit_url"].endswith(f"{FORMS}/{data['form_id']}/submissions")
    assert data["fields"][0]["default"] == "Ana"
    assert "default" not in data["fields"][1]
    form = (await client.get(f"{FORMS}/{data['form_id']}")).json()
    assert {name: form[name] for name in data} == data
    assert (form["status"], form["conversation_id"]) == ("open", conversation)


async def test_a_widget_that_comes_back_finds_the_open_form_of_its_conversation(client, shop):
    conversation = await shop.a_conversation()
    first = await shown(shop, conversation)
    await shown(shop, await shop.a_conversation())
    second = await shown(shop, conversation, title="Outro")
    await send(client, first, SENT)
    params = {"conversation_id": conversation, "status": "open"}
    found = (await client.get(FORMS, params=params)).json()["data"]
    assert [form["id"] for form in found] == [second["form_id"]]
    assert len((await client.get(FORMS)).json()["data"]) == 3


async def test_the_same_call_and_the_same_open_form_are_shown_once(client, shop):
    conversation = await shop.a_conversation()
    first = await shown(shop, conversation, key="a")
    calls = [shown(shop, conversation, {"nome": "Ana"}, key="b") for _ in range(5)]
    again = await asyncio.gather(*calls)
    assert {data["form_id"] for data in again} == {first["form_id"]}
    await send(client, first, SENT)
    told = await shop.call("form", CONFIG, {}, conversation, key="b")
    assert (told.content, told.form) == ({"status": "submitted already"}, None)
    later = await shown(shop, conversation, key="c")
    assert later["form_id"] != first["form_id"]


async def test_a_call_that_is_made_several_times_at_once_shows_one_form(shop):
    for _ in range(10):
        conversation = await shop.a_conversation()
        shows = await asyncio.gather(*(shown(shop, conversation, key="a") for _ in range(6)))
        assert len({data["form_id"] for data in shows}) == 1


async def test_a_model_that_shows_forms_without_end_is_stopped(shop):
    conversation = await shop.a_conversation()
    for n in range(20):
        await shown(shop, conversation, title=f"T{n}")
    with pytest.raises(ToolFailed) as failure:
        await shown(shop, conversation, title="T20")
    assert failure.value.code == "too_many_forms"


async def test_what_is_sent_is_kept_announced_and_said_in_the_conversation(client, shop):
    conversation = await shop.a_conversation()
    form = await shown(shop, conversation)
    answer = await send(client, form, SENT)
    receipt = answer.json()
    assert answer.status_code == 201, answer.text
    assert receipt["submit_message"] == "Até lá!"
    assert receipt["values"] == {"nome": "Ana", "quando": "2026-12-24", "aceito": True}
    kept = (await client.get(answer.headers["location"])).json()
    assert receipt == kept | {"submit_message": "Até lá!"}
    (fact,) = [fact for fact in await shop.facts() if fact["type"] == "form_submitted"]
    assert fact["data"]["submission_id"] == receipt["id"]
    assert fact["data"]["values"] == receipt["values"]
    (said,) = await messages(client, conversation)
    assert said["role"] == "user"
    assert said["content"].splitlines() == [
        "[Formulário enviado: Agende uma visita]",
        "Seu nome: Ana",
        "Quando?: 2026-12-24",
        "Aceito os termos: sim",
    ]
    assert said["metadata"]["form_submission_id"] == receipt["id"]


async def test_the_next_answer_is_given_by_one_who_has_read_the_form(client, shop):
    agent = {"id": shop.agent_id}
    begun = await stream(client, agent["id"], asking("Quero agendar"))
    conversation = begun[-1]["conversation_id"]
    form = await shown(shop, conversation)
    assert (await send(client, form, SENT)).status_code == 201
    await stream(client, agent["id"], asking("E agora?", conversation_id=conversation))
    said = [message["role"] for message in await messages(client, conversation)]
    assert said == ["user", "assistant", "user", "user", "assistant"]
    assert text_of(begun)


async def test_a_form_is_taken_once_and_the_same_again_gets_the_same_answer(client, shop):
    form = await shown(shop, await shop.a_conversation())
    same = [SENT, SENT | {"quando": "2026-12-24"}, SENT | {"nome": " Ana "}]
    answers = await asyncio.gather(*(send(client, form, values) for values in same * 3))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    other = await send(client, form, SENT | {"nome": "Bia"})
    assert (other.status_code, other.json()["code"]) == (409, "form_submitted_before")
    assert len([fact for fact in await shop.facts() if fact["type"] == "form_submitted"]) == 1
    listed = (await client.get(f"{FORMS}/submissions")).json()["data"]
    assert [row["values"]["nome"] for row in listed] == ["Ana"]


async def test_of_different_values_at_once_one_wins(client, shop):
    form = await shown(shop, await shop.a_conversation())
    answers = await asyncio.gather(
        *(send(client, form, SENT | {"nome": f"N{n}"}) for n in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


async def test_showing_and_sending_at_once_never_wait_for_each_other(client, shop):
    conversation = await shop.a_conversation()
    form = await shown(shop, conversation)
    async with asyncio.timeout(10):
        for n in range(5):
            answer, _ = await asyncio.gather(
                send(client, form, SENT), shop.call("form", CONFIG, {}, conversation, key=f"k{n}")
            )
            assert answer.status_code == 201


async def test_each_wrong_field_is_told_with_a_pointer_a_code_and_words_for_the_visitor(
    client, shop
):
    form = await shown(shop, await shop.a_conversation())
    answer = await send(client, form, {"quando": "ontem", "x/y": 1})
    assert (answer.status_code, answer.json()["code"]) == (422, "form_values_invalid")
    errors = {error["pointer"]: error for error in answer.json()["errors"]}
    assert set(errors) == {"/values/nome", "/values/quando", "/values/x~1y"}
    assert errors["/values/nome"]["message"] == "Preencha este campo."
    assert errors["/values/quando"]["code"] == "invalid_date"
    assert "ontem" not in answer.text
    for odd in (["2026-12-01"], {"a": 1}, [[]]):
        answer = await send(client, form, {"nome": odd, "quando": odd})
        assert (answer.status_code, answer.json()["code"]) == (422, "form_values_invalid")
        told = {error["pointer"]: error["code"] for error in answer.json()["errors"]}
        assert told == {"/values/nome": "wrong_type", "/values/quando": "wrong_type"}
    long = await send(client, form, {"nome": "x" * 5001, "quando": "2026-12-01"})
    assert (long.status_code, long.json()["errors"][0]["pointer"]) == (422, "/values/nome")
    assert (await client.get(f"{FORMS}/{form['form_id']}")).json()["status"] == "open"


async def test_submissions_are_listed_and_exported_with_filters(client, shop):
    tool_id = new_id()
    conversation = await shop.a_conversation()
    one = await shop.call("form", CONFIG, {}, conversation, tool_id=tool_id)
    await send(client, one.form.data, SENT | {"nome": "=1+1"})
    await send(client, await shown(shop, await shop.a_conversation()), SENT)
    listed = await client.get(f"{FORMS}/submissions", params={"tool_id": tool_id})
    assert [row["values"]["nome"] for row in listed.json()["data"]] == ["=1+1"]
    page = (await client.get(f"{FORMS}/submissions", params={"limit": 1})).json()
    assert page["next_cursor"]
    exported = await client.get(f"{FORMS}/submissions/export", params={"tool_id": tool_id})
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(io.StringIO(exported.content.decode("utf-8-sig"), newline=""))
    assert (row["values.nome"], row["values.aceito"]) == ("'=1+1", "true")
    assert row["conversation_id"] == conversation


def a_visitor_of(agent_id, visitor_id):
    budget = VisitorBudget(
        widget_key_id=new_id(),
        visitor_id=visitor_id,
        address="203.0.113.7",
        tokens=1000,
        visitor_tokens=1000,
        address_tokens=1000,
    )
    return Visitor(agent_id, visitor_id, budget.widget_key_id, budget)


async def test_a_visitor_reaches_its_own_forms_only(shop):
    conversation = await shop.a_conversation("visitante-1")
    form = await shown(shop, conversation)
    own = a_visitor_of(shop.agent_id, "visitante-1")
    assert (await FormService(shop.ports, shop.organization_id, own).get(form["form_id"])).id
    for visitor in (replace(own, visitor_id="outro"), replace(own, agent_id=AgentId(new_id()))):
        service = FormService(shop.ports, shop.organization_id, visitor)
        assert await service.page(limit=10, after=None, where={}) == []
        with pytest.raises(FormNotFound):
            await service.get(form["form_id"])
        with pytest.raises(FormNotFound):
            await service.submit(form["form_id"], SENT)


async def test_one_organization_never_sees_anothers_forms(client, shop):
    other = await a_shop(shop.ports)
    form = await shown(other, await other.a_conversation())
    service = FormService(other.ports, other.organization_id)
    assert (await client.get(f"{FORMS}/{form['form_id']}")).status_code == 404
    assert (await send(client, form, SENT)).status_code == 404
    made = await service.submit(form["form_id"], SENT)
    assert (await client.get(f"{FORMS}/submissions/{made.id}")).status_code == 404
    for path in (FORMS, f"{FORMS}/submissions"):
        assert (await client.get(path)).json()["data"] == []
    assert (await client.get(f"{FORMS}/submissions/export")).text.count("\r\n") == 1
    with pytest.raises(ToolFailed) as failure:
        await shown(shop, await other.a_conversation())
    assert failure.value.code == "conversation_not_found"


async def test_a_key_for_chats_sends_forms_and_reads_no_submissions(client, shop):
    form = await shown(shop, await shop.a_conversation())
    key = new_key()
    await IdentityRepository(shop.ports.database).register_key(
        shop.organization_id, key, name="Chat", scopes=["chat"]
    )
    client.headers["Authorization"] = f"Bearer {key.text}"
    assert (await client.get(f"{FORMS}/{form['form_id']}")).status_code == 200
    answer = await send(client, form, SENT)
    assert answer.status_code == 201
    for path in ("submissions", "submissions/export", f"submissions/{answer.json()['id']}"):
        assert (await client.get(f"{FORMS}/{path}")).status_code == 403


async def test_a_test_call_shows_nothing(shop):
    result = await shop.call("form", CONFIG, {"nome": "Ana"}, None)
    assert (result.content["status"], result.form) == ("not shown", None)
    assert result.trace["prefilled"] == {"nome": "Ana"}


async def test_forms_go_with_their_conversation(client, shop):
    conversation = await shop.a_conversation()
    form = await shown(shop, conversation)
    await send(client, form, SENT)
    assert (await client.delete(f"/api/v2/conversations/{conversation}")).status_code == 204
    assert (await client.get(f"{FORMS}/{form['form_id']}")).status_code == 404
    assert (await client.get(f"{FORMS}/submissions")).json()["data"] == []
