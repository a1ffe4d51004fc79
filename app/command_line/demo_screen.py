"""What the demo prints: colours, spinner and bar on a terminal, plain lines anywhere else."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from app.command_line.demo_descriptions import describe
from app.command_line.demo_events import StreamEvent
from app.command_line.flowing_text import FlowingText

PLAIN_WIDTH = 100
PLAIN_STEP_PERCENT = 25
INDENT = 17


class Screen:
    """Prints for a person."""

    def __init__(self, *, interactive: bool) -> None:
        self._interactive = interactive
        self._console = Console(
            force_terminal=interactive,
            width=None if interactive else PLAIN_WIDTH,
            highlight=False,
            markup=False,
        )
        self._answer: FlowingText | None = None
        self._answer_events = 0

    def line(self, text: str = "", *, style: str = "") -> None:
        """One line, never broken, so that commands can be copied."""
        self._console.print(text, style=style, soft_wrap=True)

    def failure(self, text: str, *, log_tail: str = "") -> None:
        """What went wrong, after the service's last words."""
        self._end_answer()
        if log_tail:
            self.line("\nLast lines of the service's log:", style="dim")
            self.line(log_tail, style="dim")
        self.line(f"\nThe demo failed. {text}", style="bold red")

    @contextmanager
    def waiting(self, text: str) -> Generator[None]:
        """Show that something goes on."""
        if self._interactive:
            with self._console.status(text):
                yield
        else:
            self.line(text)
            yield

    @contextmanager
    def indexing(self, name: str) -> Generator[Callable[[int, str], None]]:
        """A progress bar that is moved by calling what this yields with percent and status."""
        if not self._interactive:
            yield self._plain_progress(name)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        with Progress(*columns, console=self._console) as bars:
            bar = bars.add_task(f"Indexing {name}", total=100)
            yield lambda percent, status: bars.update(
                bar, completed=percent, description=f"Indexing {name}: {status}", refresh=True
            )

    def _plain_progress(self, name: str) -> Callable[[int, str], None]:
        shown: list[int] = []

        def show(percent: int, status: str) -> None:
            if not shown or percent >= min(shown[-1] + PLAIN_STEP_PERCENT, 100) > shown[-1]:
                shown.append(percent)
                self.line(f"Indexing {name}: {percent}% {status}")

        return show

    def question(self, text: str, *, number: int, total: int) -> None:
        """Announce a question."""
        self.line(f"\nQuestion {number} of {total}: {text}", style="bold")

    def event(self, event: StreamEvent) -> None:
        """Show an event as it arrives; the text of `answer` events flows."""
        if event.name == "answer" and isinstance(event.data, str):
            if self._answer is None:
                self._head(event)
                width = self._console.width
                self._answer = FlowingText(self._write, indent=INDENT, width=width)
            self._answer_events += 1
            self._answer.add(event.data)
            return
        self._end_answer(before=event)
        self._head(event)
        text = describe(event, width=self._console.width - INDENT)
        self.line(text.replace("\n", "\n" + " " * INDENT))

    def outcome(
        self, times: Sequence[tuple[str, float | None]], *, notice: str, wrong: Sequence[str]
    ) -> None:
        """Close a question: what was measured here, what to notice, what is wrong."""
        self._end_answer()
        measured = ", ".join(
            f"{name} {seconds * 1000:.0f} ms" for name, seconds in times if seconds is not None
        )
        self.line(f"  Measured by this client: {measured or 'nothing came'}", style="green")
        if wrong:
            self.line(f"  Wrong: {'; '.join(wrong)}.", style="bold red")
        else:
            self.line(f"  Notice: {notice}.", style="green")

    def _head(self, event: StreamEvent) -> None:
        head = Text.assemble((f"{event.number:>5}  ", "dim"), (f"{event.name:<10}", "cyan"))
        self._console.print(head, end="")

    def _end_answer(self, *, before: StreamEvent | None = None) -> None:
        if self._answer is None:
            return
        self._answer.end()
        if self._answer_events > 1:
            until = f", up to number {int(before.number) - 1}" if before else ""
            self.line(" " * INDENT + f"({self._answer_events} answer events{until})", style="dim")
        self._answer, self._answer_events = None, 0

    def _write(self, text: str) -> None:
        self._console.out(text, end="", highlight=False)
