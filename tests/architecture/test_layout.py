"""The rules of the layout, each failing with how to mend it."""

import ast
from pathlib import Path

import pytest

from app import __version__
from app.adapters.embedder import EMBEDDERS
from app.adapters.embedder import compatible as compatible_embedders
from app.adapters.llm import PROVIDERS, compatible
from app.adapters.parser import PARSERS
from app.adapters.reranker import RERANKERS
from app.adapters.reranker import compatible as compatible_rerankers
from app.adapters.searcher import SEARCHERS
from app.adapters.store import STORES
from app.adapters.store.schema import FIRST_RECORDED
from app.core.errors import Problem, subclasses
from app.core.settings import Settings
from app.domain_events import EVENTS
from app.features.chat.errors import ClientLeft
from app.features.identity.roles import SCOPES
from app.features.tools.kinds import KINDS
from app.features.webhooks.templates import TEMPLATES

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "app").rglob("*.py"))
BANNED = {"utils", "helpers", "common", "misc", "manager", "base_service", "types"}
MAX_FILE_LINES = 250
MAX_FUNCTION_LINES = 40


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_small_opens_with_a_door_sign_and_has_short_functions(path):
    tree = parsed(path)
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES, f"{lines} lines: split it by concept"
    assert ast.get_docstring(tree), "open it with one line saying what it is for"
    assert path.stem not in BANNED, "name it for the thing that it holds"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines: split it"


@pytest.mark.parametrize("path", sorted((ROOT / "supabase" / "migrations").glob("*.sql")))
def test_a_migration_is_small_records_itself_and_tells_postgrest(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES, "split it into two migrations"
    assert text.rstrip().endswith("notify pgrst, 'reload schema';")
    version = path.name.partition("_")[0]
    recorded = f"select agentes.migration_applied('{version}');"
    assert version < FIRST_RECORDED or recorded in text, f"end it with `{recorded}`"


@pytest.mark.parametrize(
    ("registry", "folder", "constant", "rows"),
    [
        (PROVIDERS, "adapters/llm", "PROVIDER", compatible.ROWS),
        (EMBEDDERS, "adapters/embedder", "EMBEDDER", compatible_embedders.ROWS),
        (RERANKERS, "adapters/reranker", "RERANKER", compatible_rerankers.ROWS),
        (PARSERS, "adapters/parser", "PARSER", ()),
        (SEARCHERS, "adapters/searcher", "SEARCHER", ()),
        (STORES, "adapters/store", "STORE", ()),
        (EVENTS, "domain_events", "EVENT", ()),
        (KINDS, "features/tools/kinds", "KIND", ()),
        (TEMPLATES, "features/webhooks/templates", "TEMPLATE", ()),
    ],
)
def test_whatever_can_be_registered_is(registry, folder, constant, rows):
    exporting = {row.name for row in rows} | {
        path.stem
        for path in (ROOT / "app" / folder).glob("*.py")
        for node in parsed(path).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == constant
    }
    assert exporting == set(registry), "list the module in the folder's __init__.py"


def test_problems_have_a_title_a_status_and_a_name_of_their_own():
    kinds = [kind for kind in subclasses() if kind.__module__.startswith("app.")]
    assert len({kind.slug() for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert 400 <= kind.status <= 599, kind
        assert kind is Problem or kind.title() != Problem.title(), f"{kind}: give it a docstring"


@pytest.mark.parametrize("name", ["README.md", "README.pt-BR.md"])
def test_both_readmes_list_every_code_variable_and_scope(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    # A family's own name is never a response.
    families = {kind for kind in subclasses() if kind.__module__ == "app.core.errors"} | {
        ClientLeft
    }
    kinds = [kind for kind in subclasses() if kind.__module__.startswith("app.")]
    codes = {kind.code() for kind in kinds if kind not in families}
    variables = {name.upper() for name, field in Settings.model_fields.items() if not field.exclude}
    missing = sorted(word for word in codes | variables | SCOPES.keys() if f"`{word}" not in text)
    assert not missing, f"tell of them in {name}"


@pytest.mark.parametrize("kind", EVENTS.values(), ids=list(EVENTS))
def test_an_event_can_be_made_from_its_example(kind):
    fact = kind.of(kind.example)
    assert fact["type"] == kind.name
    assert fact["data"]


def test_no_test_patches_the_application():
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert 'patch("app' not in text or path == Path(__file__), f"{path}: pass a double in"


def test_the_changelog_begins_with_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = [line for line in changelog.splitlines() if line.startswith("## [")]
    assert f"[{__version__}]" in versions[1], "write what changed under the version's heading"
