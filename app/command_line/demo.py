"""The demo: a service of its own, two documents, an agent, questions, every event shown."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from app.command_line.demo_client import DemoClient, demo_client
from app.command_line.demo_failure import DemoFailed
from app.command_line.demo_invitation import invitation
from app.command_line.demo_questions import QUESTIONS, Answer, Question, unmet
from app.command_line.demo_screen import Screen
from app.command_line.demo_service import (
    NOT_FOR_THE_DEMO,
    REPOSITORY,
    DemoService,
    running_service,
)
from app.command_line.stop_signals import StopSignals
from app.core.settings import Settings, SettingsInvalid, child_environment, load_settings

EXAMPLES = REPOSITORY / "examples"
DOCUMENTS = (EXAMPLES / "loja-aurora.md", EXAMPLES / "aurora-clube.pdf")
INDEXING_TIMEOUT_S = 60.0
POLL_S = 0.1
SYSTEM_PROMPT = (
    "Você é a atendente virtual da Loja Aurora. Responda em português, com cordialidade e em "
    "poucas frases, somente com o que está na base de conhecimento, e cite as fontes como [1]. "
    "Quando a resposta não estiver lá, diga que não encontrou e não cite nada."
)

# What a shell reports for a program that Ctrl-C ended.
INTERRUPTED = 130


@dataclass(frozen=True)
class Demo:
    """What every step needs."""

    screen: Screen
    service: DemoService
    settings: Settings

    def run(self) -> str:
        """All steps in order; the agent's id.

        Raises:
            DemoFailed: a step failed, or an answer is not what it must be.
        """
        started = time.perf_counter()
        with self.screen.waiting("Starting the service with a database of its own ..."):
            self.service.wait_until_ready()
        took_s = time.perf_counter() - started
        self.screen.line(f"The service is ready at {self.service.url} after {took_s:.1f} s.")
        with demo_client(self.service.url, api_key=self.service.api_key) as client:
            agent_id = self._prepare(client)
            wrong = [
                self._ask(client, agent_id, question, number=number)
                for number, question in enumerate(QUESTIONS, start=1)
            ]
        if any(wrong):
            raise DemoFailed(f"{sum(map(bool, wrong))} of {len(wrong)} answers are wrong.")
        self.screen.line(f"\nAll {len(wrong)} answers are as they must be.", style="bold green")
        return agent_id

    def _prepare(self, client: DemoClient) -> str:
        knowledge_base_id = client.create_knowledge_base("Políticas da Loja Aurora")
        passages = sum(
            self._teach(client, path, knowledge_base_id=knowledge_base_id) for path in DOCUMENTS
        )
        model_id = self.settings.default_model_id
        agent_id = client.create_agent(
            "Atendente Aurora",
            system_prompt=SYSTEM_PROMPT,
            model_id=model_id,
            knowledge_base_id=knowledge_base_id,
        )
        self.screen.line(f"The agent “Atendente Aurora” knows both in {passages} passages.")
        self.screen.line(f"It answers with the model `{model_id}`.")
        return agent_id

    def _teach(self, client: DemoClient, path: Path, *, knowledge_base_id: str) -> int:
        """Upload a document and wait until it is searchable; in how many passages it is."""
        document = client.upload(path, knowledge_base_id=knowledge_base_id)
        deadline = time.monotonic() + INDEXING_TIMEOUT_S
        with self.screen.indexing(document.name) as show:
            show(document.progress, document.status)
            while document.status not in ("ready", "failed"):
                if time.monotonic() > deadline:
                    raise DemoFailed(f"Indexing took longer than {INDEXING_TIMEOUT_S:.0f} s.")
                time.sleep(POLL_S)
                document = client.document(document.id)
                show(document.progress, document.status)
        if document.status == "failed":
            raise DemoFailed(f"{document.name} could not be indexed: {document.error}")
        return document.chunk_count

    def _ask(self, client: DemoClient, agent_id: str, question: Question, *, number: int) -> bool:
        """Ask and show; whether something was wrong with the answer."""
        self.screen.question(question.text, number=number, total=len(QUESTIONS))
        answer = Answer()
        for event in client.ask(agent_id, question.text):
            answer.add(event)
            self.screen.event(event)
        wrong = unmet(question, answer)
        times = (
            ("first event", answer.first_event_s),
            ("first text", answer.first_text_s),
            ("whole answer", answer.whole_s),
        )
        self.screen.outcome(times, notice=question.notice, wrong=wrong)
        return bool(wrong)


def run_demo() -> int:
    """Run the demo; 0 when every answer was as it must be and, on a terminal, Ctrl-C ended it."""
    interactive = sys.stdout.isatty()
    screen = Screen(interactive=interactive)
    try:
        settings = load_settings(child_environment(**NOT_FOR_THE_DEMO))
    except SettingsInvalid as error:
        screen.failure(str(error))
        return 2
    stop_signals = StopSignals()
    try:
        with running_service(settings.port, stop_signals=stop_signals) as service:
            return _run(Demo(screen, service, settings), interactive=interactive)
    except KeyboardInterrupt:
        screen.line("\nInterrupted; the service is stopped and its data removed.")
        return INTERRUPTED


def _run(demo: Demo, *, interactive: bool) -> int:
    try:
        agent_id = demo.run()
        if interactive:
            demo.screen.line(invitation(demo.service, agent_id))
            _wait_until_stopped(demo.service)
            demo.screen.line("\nStopping the service and removing its data ...")
    except (DemoFailed, OSError) as error:
        demo.screen.failure(str(error), log_tail=demo.service.log_tail(lines=20))
        return 1
    return 0


def _wait_until_stopped(service: DemoService) -> None:
    try:
        exit_code = service.process.wait()
    except KeyboardInterrupt:
        return
    raise DemoFailed(f"The service ended by itself with exit code {exit_code}.")
