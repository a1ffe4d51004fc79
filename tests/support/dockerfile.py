"""A Dockerfile's steps carried out in folders, where no container engine is at hand.

It knows what our Dockerfile uses, and says so of anything else. Base images are one Debian of the
same release with the same Python, made by mmdebstrap; it needs root.
"""

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from app.core.settings import child_environment

# What a build engine gives every step: how to reach the network, and nothing else of this machine.
NETWORK = ("PIP_", "SSL_CERT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy")
NETWORK_FILES = ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt")


@dataclass
class Stage:
    """One image: its root folder and what its metadata says."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/bin:/bin:/usr/sbin"})
    folder: str = "/"
    user: str = "0:0"
    health: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def started(self, *command: str, **variables: str) -> list[str]:
        """The command that runs this one in the image, as its user, with its variables."""
        words = [f"{name}={value}" for name, value in (self.environment | variables).items()]
        inside = ["cd", self.folder, "&&", "exec", "env", "-i", *words, *command]
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
            *(f"--mount-proc={self.root}/proc", "chroot", f"--userspec={self.user}"),
            *(str(self.root), "/bin/sh", "-c", _joined(inside)),
        ]


def _joined(words: list[str]) -> str:
    return " ".join(word if word == "&&" else shlex.quote(word) for word in words)


def made_base(folder: Path, release: str, python: str) -> Path:
    """A root folder of this Debian release with `python`, as the official image has it."""
    base = folder / "base"
    packages = f"--include={python},{python}-venv,ca-certificates"
    _run("mmdebstrap", "--quiet", "--variant=minbase", packages, release, str(base))
    (base / "usr/bin/python").symlink_to(python)
    return base


class Builder:
    """Carries out one Dockerfile; a method an instruction, named as it is."""

    def __init__(self, context: Path, base: Path) -> None:
        self._context, self._base = context, base
        self._ignored = _Ignored((context / ".dockerignore").read_text().splitlines())
        self._stages: dict[str, Stage] = {}
        self._arguments: dict[str, str] = {}
        self.stage = Stage(base)

    def build(self, dockerfile: Path) -> Stage:
        """The last stage after all steps."""
        for name, rest in _instructions(dockerfile.read_text()):
            carry_out = getattr(self, f"_{name.lower()}", None)
            assert carry_out, f"the tests do not know {name}: teach them"
            carry_out(rest)
        return self.stage

    def _from(self, rest: str) -> None:
        root = self._base.parent / f"stage-{len(self._stages)}"
        _run("cp", "-a", str(self._base), str(root))
        self.stage = self._stages[rest.partition(" AS ")[2]] = Stage(root)

    def _env(self, rest: str) -> None:
        for name, value in (pair.split("=", 1) for pair in shlex.split(rest)):
            path = self.stage.environment["PATH"]
            self.stage.environment[name] = value.replace("$PATH", path)

    def _arg(self, rest: str) -> None:
        name, _, default = rest.partition("=")
        self._arguments[name] = shlex.split(default)[0] if default else ""

    def _workdir(self, rest: str) -> None:
        self._inside(rest).mkdir(parents=True, exist_ok=True)
        self.stage.folder = rest

    def _run(self, rest: str) -> None:
        for name in NETWORK_FILES:
            self._inside(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path("/", name), self._inside(name))
        network = {k: v for k, v in child_environment().items() if k.startswith(NETWORK)}
        _run(*self.stage.started("/bin/sh", "-ec", rest, **network, **self._arguments))

    def _copy(self, rest: str) -> None:
        *names, target = shlex.split(rest)
        onto = self._inside((Path(self.stage.folder) / target).as_posix())
        if names[0].startswith("--from="):
            source, skip = self._stages[names.pop(0).removeprefix("--from=")].root, None
        else:
            source, skip = self._context, self._ignored.below(self._context)
        for here in (source / name.lstrip("/") for name in names):
            if here.is_dir():
                shutil.copytree(here, onto, symlinks=True, dirs_exist_ok=True, ignore=skip)
                continue
            assert skip is None or not skip(str(source), [here.name]), f"{here.name} is ignored"
            onto.mkdir(parents=True, exist_ok=True)
            shutil.copy2(here, onto / here.name)

    def _user(self, rest: str) -> None:
        self.stage.user = rest

    def _healthcheck(self, rest: str) -> None:
        self.stage.health = tuple(json.loads(rest.partition("CMD")[2]))

    def _cmd(self, rest: str) -> None:
        self.stage.command = tuple(json.loads(rest))

    def _expose(self, rest: str) -> None:
        assert rest.isdigit()

    def _inside(self, path: str) -> Path:
        return self.stage.root / path.lstrip("/")


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in whole.splitlines())]


class _Ignored:
    """.dockerignore as far as ours goes: the last pattern that fits a path or a parent decides."""

    def __init__(self, lines: list[str]) -> None:
        self._patterns = [line for line in lines if line and not line.startswith("#")]

    def __call__(self, path: str) -> bool:
        parents = [path, *(parent.as_posix() for parent in Path(path).parents)][:-1]
        out = False
        for pattern in self._patterns:
            wanted = pattern.lstrip("!").replace("**/", "*")
            if any(fnmatch.fnmatchcase(parent, wanted) for parent in parents):
                out = not pattern.startswith("!")
        return out

    def below(self, context: Path):
        def names(folder: str, found: list[str]) -> list[str]:
            here = Path(folder).relative_to(context)
            return [name for name in found if self((here / name).as_posix())]

        return names


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    told = f"{shlex.join(command)[-400:]}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    assert done.returncode == 0, told
