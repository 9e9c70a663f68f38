"""Convert a compose.yaml: each service becomes a program of one container.

Keys that both have mean the same, variables too. What concerns the container itself, such as ports and volumes, stays
with its engine. Source: the Compose specification.
"""

from __future__ import annotations

import os
import re
import shlex

from supervisor.config.reading import Reading
from supervisor.config.source import parse
from supervisor.config.tree import Mapping, Scalar, Sequence
from supervisor.convert.dockerfile import command_in
from supervisor.convert.document import Block
from supervisor.convert.draft import Draft
from supervisor.convert.findings import NOT_NEEDED, Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.config.tree import Node
    from supervisor.convert.document import Flow
    from supervisor.convert.findings import Findings

ONE_IMAGE = "All programs run in one container: everything they need must be in its image."
FAILURES = "A program that fails for good ends the container; under Compose the other services run on."
CONTAINER = "belongs to the container or its engine, not to the table"
ADDRESSES = "Programs reach each other at localhost, not by the names of services."
NO_COMMAND = "has no command here, but that of its image {}: write it"
LOST = {
    "extends": "is not followed: add the keys of the other service",
    "secrets": "are files under /run/secrets; environment: {{NAME: {{file: /run/secrets/x}}}} reads one",
    "configs": "are files that the engine mounts",
    "logging": "is the engine's; log sets the output of a program",
    "tty": "is the container's; stdin: inherit gives the terminal to the main program",
    "stdin_open": "is the container's; stdin: inherit gives stdin to the main program",
}
_SAME = (
    "env_file", "user", "group_add", "cap_add", "cap_drop",
    "working_dir", "ulimits", "stop_signal", "stop_grace_period", "oom_score_adj",
    "scale", "profiles", "pre_stop", "post_start",
)  # fmt: skip
_KNOWN_COMMANDS = {
    "nginx": 'nginx -g "daemon off;"', "redis": "redis-server", "valkey": "valkey-server",
    "memcached": "memcached -u nobody",     "traefik": "traefik", "caddy": "caddy run --config /etc/caddy/Caddyfile",
}  # fmt: skip
_CONDITIONS = {
    "service_started": "started", "service_healthy": "healthy", "service_completed_successfully": "completed",
}  # fmt: skip
_NOT_OURS = ("command", "entrypoint", "environment", "healthcheck", "depends_on", "restart", "deploy", *_SAME, *LOST)


def convert_compose(text: str, path: str, findings: Findings) -> Block:
    """Return the table. It is useless where `findings` hold a problem."""
    draft = Draft(findings)
    reading = Reading({})
    root = parse(text.encode(), path, reading)
    for problem in reading.problems:
        position = re.fullmatch(r"(.*?):(\d+):\d+: (.*)", problem, re.DOTALL)
        findings.problem(Location(path, int(position[2]) if position else 1), position[3] if position else problem)
    if reading.problems:
        return draft.document
    services = root.entries.get("services") if isinstance(root, Mapping) else None
    if not isinstance(root, Mapping) or services is None or not isinstance(services[1], Mapping):
        findings.problem(Location(path, 1), "cannot be converted: services is not a mapping")
        return draft.document
    draft.document.notes[""] = [ONE_IMAGE, ADDRESSES, FAILURES]
    for name, (key, _) in root.entries.items():
        if name == "include":
            draft.lose(_place(key), "include: other files are not read: convert them as well")
        elif name != "services" and not name.startswith("x-"):
            reason = NOT_NEEDED if name in ("version", "name") else CONTAINER
            findings.group(_place(key), reason, name, "")
    named = {name: (key, node) for name, (key, node) in services[1].entries.items() if isinstance(node, Mapping)}
    blocks = {name: _Service(key, node, draft) for name, (key, node) in named.items()}
    names = {name: draft.add(name, service.block, service.place) for name, service in blocks.items()}
    for service in blocks.values():
        service.convert({other: names[other] for other in names if not blocks[other].block.is_off})
    for service in blocks.values():
        after = service.block.entries.get("depends_on")
        for other, condition in after.entries.items() if isinstance(after, Block) else ():
            if isinstance(condition, dict) and condition["condition"] == "completed":
                draft.programs[other].entries["type"] = "oneshot"
    _mention_images(blocks, draft)
    return draft.finish()


def _mention_images(services: dict[str, _Service], draft: Draft) -> None:
    images = {service.image for service in services.values() if service.image}
    if len(images) > 1:
        place = next(iter(services.values())).place
        draft.lose(place, f"the services use several images, and programs share one: {', '.join(sorted(images))}")


class _Service:
    def __init__(self, key: Scalar, node: Mapping, draft: Draft) -> None:
        self.key = key
        self.place = _place(key)
        self.entries = {name: value for name, (_, value) in node.entries.items() if not value.is_null}
        self.keys = {name: name_node for name, (name_node, _) in node.entries.items()}
        self.draft = draft
        self.block = Block()
        self._set_command()

    @property
    def image(self) -> str:
        image = self.entries.get("image")
        return image.text if isinstance(image, Scalar) else ""

    def _set_command(self) -> None:
        entrypoint, command = self.entries.get("entrypoint"), self.entries.get("command")
        if command is None and entrypoint is None:
            found = self._command_of_image()
            if found:
                self.block.entries["command"] = found
                return
            self.block.is_off = True
            self.block.entries["command"] = ("COMMAND",)
            source = self.image or "(see its Dockerfile)"
            self.draft.lose(self.place, f"{self.key.text} {NO_COMMAND.format(source)}", self.block)
            return
        if entrypoint is None and command is not None and "build" in self.entries:
            own = self._dockerfile("ENTRYPOINT")
            if own:
                self.block.entries["command"] = (*own, *_words(command))
                return
        parts = [part for part in (entrypoint, command) if part is not None]
        if all(isinstance(part, Scalar) for part in parts):
            self.block.entries["command"] = " ".join(part.text for part in parts if isinstance(part, Scalar)).strip()
        else:
            self.block.entries["command"] = tuple(word for part in parts for word in _words(part))

    def _command_of_image(self) -> Flow | None:
        if "build" in self.entries:
            words = (*self._dockerfile("ENTRYPOINT"), *self._dockerfile("CMD"))
            return words or None
        name = re.split(r"[:@]", self.image.rpartition("/")[2])[0]
        return _KNOWN_COMMANDS.get(name)

    def _dockerfile(self, instruction: str) -> tuple[str, ...]:
        """Return the words of the last CMD or ENTRYPOINT of the service's Dockerfile; empty where none is found."""
        build = self.entries.get("build")
        context, file = "", "Dockerfile"
        if isinstance(build, Scalar):
            context = build.text
        elif isinstance(build, Mapping):
            context = _text(build, "context") or "."
            file = _text(build, "dockerfile") or file
        return command_in(os.path.join(os.path.dirname(self.place.file), context, file), instruction)

    def convert(self, names: dict[str, str]) -> None:
        """Set everything but the command. `names`: the programs that others may depend on."""
        for name in _SAME:
            if name in self.entries:
                self._set_same(name, self.entries[name])
        self._set_security()
        self._set_environment()
        self._set_healthcheck()
        self._set_dependencies(names)
        self._set_restart()
        self._set_deploy()
        for name in self.entries:
            place = _place(self.keys[name])
            if name in LOST:
                self.draft.mention(place, f"{self.key.text}: {name} {LOST[name].format()}", self.block)
            elif name not in _NOT_OURS and not name.startswith("x-"):
                reason = NOT_NEEDED if name in ("init", "container_name", "pull_policy") else CONTAINER
                self.draft.findings.group(place, reason, self.key.text, name)

    def _set_same(self, name: str, node: Node) -> None:
        value = _flow(node)
        self.block.entries[name] = (value,) if name == "env_file" and isinstance(value, str) else value

    def _set_security(self) -> None:
        """Carry no-new-privileges over. Profiles of seccomp, AppArmor and SELinux are the container's."""
        node = self.entries.get("security_opt")
        options = [item.text for item in node.items if isinstance(item, Scalar)] if isinstance(node, Sequence) else []
        own = [option for option in options if option.startswith("no-new-privileges")]
        if any(option.replace("=", ":").partition(":")[2] in ("", "true") for option in own):
            self.block.entries["no_new_privileges"] = True
        if own and len(own) == len(options):
            del self.entries["security_opt"]

    def _set_environment(self) -> None:
        node = self.entries.get("environment")
        if isinstance(node, Mapping) and not any(value.is_null for _, value in node.entries.values()):
            self.block.entries["environment"] = environment = Block()
            pairs = ((name, value) for name, (_, value) in node.entries.items() if isinstance(value, Scalar))
            environment.entries.update((name, value.text) for name, value in pairs)
        elif isinstance(node, Mapping):
            pairs = ((name, value) for name, (_, value) in node.entries.items() if isinstance(value, Scalar))
            words = tuple(name if value.is_null else f"{name}={value.text}" for name, value in pairs)
            self.block.entries["environment"] = words
        elif isinstance(node, Sequence):
            self.block.entries["environment"] = [item.text for item in node.items if isinstance(item, Scalar)]

    def _set_healthcheck(self) -> None:
        node = self.entries.get("healthcheck")
        if isinstance(node, Mapping) and _text(node, "disable") not in ("true", "yes", "on"):
            self.block.entries["healthcheck"] = check = Block()
            entries = ((name, value) for name, (_, value) in node.entries.items() if not value.is_null)
            check.entries.update((name, _flow(value)) for name, value in entries if name != "disable")

    def _set_dependencies(self, names: dict[str, str]) -> None:
        node = self.entries.get("depends_on")
        conditions = Block()
        wanted: dict[str, Node | None] = {}
        if isinstance(node, Sequence):
            wanted = {item.text: None for item in node.items if isinstance(item, Scalar)}
        elif isinstance(node, Mapping):
            wanted = {name: value for name, (_, value) in node.entries.items()}
        for other, condition in wanted.items():
            if other not in names:
                sentence = f"{self.key.text} depends on {other}, which is not in the table"
                self.draft.mention(_place(self.keys["depends_on"]), sentence, self.block)
                continue
            entry: dict[str, Flow] = {"condition": "started"}
            if isinstance(condition, Mapping):
                text = _text(condition, "condition")
                entry["condition"] = _CONDITIONS.get(text, text) or "started"
                entry |= {"restart": True} if _text(condition, "restart") == "true" else {}
            conditions.entries[names[other]] = entry
        if conditions.entries:
            self.block.entries["depends_on"] = conditions

    def _set_restart(self) -> None:
        """Compose restarts only what it is told to."""
        node = self.entries.get("restart")
        text = node.text if isinstance(node, Scalar) else "no"
        self.block.entries["restart"] = {"false": "no"}.get(text, text)

    def _set_deploy(self) -> None:
        node = self.entries.get("deploy")
        if not isinstance(node, Mapping):
            return
        for name, (key, value) in node.entries.items():
            if name == "replicas" and isinstance(value, Scalar):
                self.block.entries["scale"] = _flow(value)
            elif name == "restart_policy" and isinstance(value, Mapping):
                condition = _text(value, "condition")
                words = {"none": "no", "on-failure": "on-failure", "any": "always"}
                self.block.entries["restart"] = words.get(condition, "always")
            else:
                self.draft.findings.group(_place(key), CONTAINER, self.key.text, f"deploy.{name}")


def _place(node: Node) -> Location:
    return Location(node.file, node.line)


def _text(node: Mapping, name: str) -> str:
    _, value = node.entries.get(name, (None, None))
    return value.text if isinstance(value, Scalar) and not value.is_null else ""


def _words(node: Node) -> tuple[str, ...]:
    if isinstance(node, Sequence):
        return tuple(item.text for item in node.items if isinstance(item, Scalar))
    try:
        return tuple(shlex.split(node.text)) if isinstance(node, Scalar) else ()
    except ValueError:
        return tuple(node.text.split()) if isinstance(node, Scalar) else ()


def _flow(node: Node) -> Flow:
    """Return a value as it is written again."""
    if isinstance(node, Sequence):
        items = [_flow(item) for item in node.items]
        plain = tuple(item for item in items if isinstance(item, str | int))
        return plain if len(plain) == len(items) else items
    if isinstance(node, Mapping):
        return {name: _flow(value) for name, (_, value) in node.entries.items() if not value.is_null}
    if node.is_plain and re.fullmatch(r"-?(0|[1-9]\d{0,17})", node.text):
        return int(node.text)
    if node.is_plain and node.text in ("true", "false"):
        return node.text == "true"
    return node.text
