"""What a person can do next, as commands to copy."""

from app.command_line.demo_service import DemoService

_TEXT = """
The service keeps running until Ctrl-C, which also removes its data.

  Try every route  {url}/docs
  API key          {key}
  Data folder      {data_dir}

In another terminal:

  export KEY={key}

  # List the agents
  curl -H "Authorization: Bearer $KEY" {url}/api/v2/agents

  # Ask something else and watch the events
  curl -N -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
    -d '{{"messages": [{{"role": "user", "content": "Posso pagar com Pix?"}}]}}' \\
    {url}/api/v2/agents/{agent_id}/chat/stream

A service that keeps its data (in .data):

  make run

With OpenAI's models, once an agent is told to use one:

  OPENAI_API_KEY=... make run
  curl -X PATCH -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
    -d '{{"model_id": "gpt-4o-mini"}}' http://127.0.0.1:8000/api/v2/agents/AGENT_ID

`make run` prints its own API key at its first start.
"""


def invitation(service: DemoService, agent_id: str) -> str:
    """The addresses, the key and the next commands."""
    return _TEXT.format(
        url=service.url, key=service.api_key, data_dir=service.data_dir, agent_id=agent_id
    )
