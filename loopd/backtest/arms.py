"""Owns what a backtest compares: arms, each a whole configuration; must not run any."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopd.config import Config
from loopd.config_file import parse_config
from loopd.errors import ConfigError
from loopd.safe_yaml import read_yaml

BASELINE = "random_sampling"
"""The strategy that others are compared with."""

SECTIONS = ("classifier", "strategy", "queue", "stopping", "task")
"""Sections that an arm may change."""

OPTIONS_OF = (
    ("classifier", "name", "options"),
    ("strategy", "name", "options"),
    ("strategy", "cold_start", "cold_start_options"),
)
"""Sections, keys in them, and the keys of the options that belong to what these name."""

LONGEST_NAME = 80

Changes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Arm:
    """One configuration of the comparison.

    Attributes:
        name: how tables call it.
        config: the whole configuration; ``run`` is replaced for each run.
    """

    name: str
    config: Config

    @property
    def folder(self) -> str:
        """Name of the arm's folder: letters, digits, ``.``, ``_``, ``+`` and ``-``."""
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", self.name).strip("-.")

    @property
    def digest(self) -> str:
        """Hash of everything but the seed that shapes the results."""
        return seedless(self.config).digest()


def seedless(config: Config) -> Config:
    """The configuration with seed 0: a backtest brings its own seeds."""
    return config.model_copy(update={"run": config.run.model_copy(update={"seed": 0})})


def crossed(
    config: Config,
    classifiers: Sequence[str],
    strategies: Sequence[str],
    models: Sequence[str] = (),
) -> tuple[Arm, ...]:
    """Every classifier with every strategy, by name, and all of that with every encoder.

    Options of the configuration go with the configuration's own classifier and strategy; others
    get their defaults.

    Args:
        config: what is not said otherwise.
        classifiers: names; none means the configuration's own.
        strategies: names; none means the configuration's own and random sampling.
        models: hub names or folders, as `classifier.model` has them; none means the
            configuration's own, which arms do not name then.

    Raises:
        ConfigError: an arm is no valid configuration.
    """
    own = [config.strategy.name, BASELINE]
    titles = _titles(models) or {config.classifier.model: ""}
    return _checked(
        Arm(
            "/".join(filter(None, (title, classifier, strategy))),
            changed(
                config,
                {
                    "classifier": {"name": classifier, "model": model},
                    "strategy": {"name": strategy},
                },
            ),
        )
        for model, title in titles.items()
        for classifier in dict.fromkeys(classifiers or [config.classifier.name])
        for strategy in dict.fromkeys(strategies or own)
    )


def _titles(models: Sequence[str]) -> dict[str, str]:
    """What tables call each encoder: the end of its name where no other one has that."""
    ends = {model: Path(model).name or model for model in models}
    return {
        model: end if list(ends.values()).count(end) == 1 else model for model, end in ends.items()
    }


def read_arms(config: Config, path: Path) -> tuple[Arm, ...]:
    """The arms of a YAML file: a list of ``name`` and the sections that the arm changes.

    Raises:
        ConfigError: not such a list, or an arm is no valid configuration.
    """
    content = read_yaml(path)
    if not isinstance(content, list) or not content:
        raise ConfigError(f"{path} is not a list of arms", _FORM)
    return _checked(_arm(config, section, path) for section in content)


_FORM = (
    "each arm: `- name: ...`, with `classifier`, `strategy`, `queue`, `stopping` or "
    "`task: {descriptions: ...}` to change"
)


def _arm(config: Config, content: object, path: Path) -> Arm:
    if not isinstance(content, dict) or not isinstance(content.get("name"), str):
        raise ConfigError(f"{path}: an arm has no `name`", _FORM)
    name = content["name"]
    changes = {key: value for key, value in content.items() if key != "name"}
    for key, value in changes.items():
        odd = key == "task" and isinstance(value, dict) and set(value) - {"descriptions"}
        if key not in SECTIONS or not isinstance(value, dict) or odd:
            raise ConfigError(f"{path}: arm {name!r} cannot change `{key}` so", _FORM)
    try:
        return Arm(name, changed(config, changes))
    except ConfigError as error:
        raise ConfigError(f"arm {name!r}: {error.message}", error.hint) from None


def changed(config: Config, changes: Changes) -> Config:
    """The configuration with some keys replaced.

    Raises:
        ConfigError: the result is no valid configuration.
    """
    sections = config.model_dump(mode="json")
    for name, values in changes.items():
        before = sections[name]
        section = {**before, **values}
        for of, key, options in OPTIONS_OF:
            if name == of and options not in values and section[key] != before[key]:
                section[options] = {}
        sections[name] = section
    return parse_config(sections, config.folder)


def _checked(arms: Iterator[Arm]) -> tuple[Arm, ...]:
    by_folder: dict[str, Arm] = {}
    for arm in arms:
        if not arm.folder or len(arm.name) > LONGEST_NAME or not arm.name.isprintable():
            raise ConfigError(
                f"{arm.name[:LONGEST_NAME]!r} is no name for an arm",
                f"take letters and digits, at most {LONGEST_NAME}",
            )
        if arm.folder in by_folder:
            raise ConfigError(
                f"the arms {by_folder[arm.folder].name!r} and {arm.name!r} are called alike",
                "give each a name of its own",
            )
        by_folder[arm.folder] = arm
    return tuple(by_folder.values())
