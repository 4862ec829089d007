"""The base class that the tap and the target share."""

from __future__ import annotations

import os
import typing as t
from functools import partial
from pathlib import Path

from dotenv import load_dotenv
from singer_sdk.exceptions import ConfigValidationError, MappingError
from singer_sdk.plugin_base import PluginBase

from marketo_opps.errors import SettingsError
from marketo_opps.pacing import PACING_WINDOW_SECONDS
from marketo_opps.plugin.command_help import set_help
from marketo_opps.plugin.command_line import (
    environment_prefix,
    environment_settings,
    read_config_files,
    run_command,
)
from marketo_opps.plugin.log_lines import LOG_FORMAT, apply_log_format
from marketo_opps.plugin.process import run
from marketo_opps.plugin.run_report import RUN_REPORT
from marketo_opps.plugin.sdk_schema import corrected_maps, with_least_depth
from marketo_opps.plugin.settings import (
    setting_errors,
    warn_unknown_settings,
    with_whole_numbers,
)
from marketo_opps.plugin.shared_files import errors_of_sharing, shared_file_errors
from marketo_opps.settings import PACKAGE_NAME

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    import click

    from marketo_opps.models import CallCounts
    from marketo_opps.plugin.run_report import StreamCounts

_ENVIRONMENT = "ENV"
"""Value of `--config` for environment variables instead of a file."""

_DEPTH = "flattening_max_depth"

EXPECTED_ERRORS = (ConfigValidationError, MappingError)
"""Exceptions of the SDK with texts for users."""


def _is_not_about_environment(record: logging.LogRecord) -> bool:
    """Return False, to drop it, for the SDK's wrong log line on skipped environment variables."""
    return record.msg != "Skipping parse of env var settings..."


class MarketoPlugin(PluginBase):
    """Base class of both plugins, to be listed before the SDK's base class of tap or target.

    Settings are read and checked before they are passed to the SDK, whose own error messages quote
    secrets, and whose reading of environment variables ends in tracebacks.

    Args:
        config: setting names to values.
        parse_env_config: True if environment variables take precedence over `config`.
        validate_config: True to raise an error for invalid settings.
        options: the other arguments of the SDK's class.

    Raises:
        ConfigValidationError: a setting is invalid.
        SettingsError: an environment variable cannot be read as its setting's type.
    """

    package_name = PACKAGE_NAME
    pacing_window_seconds: t.ClassVar[float] = PACING_WINDOW_SECONDS
    """Window in which `calls_per_20_seconds` are counted by the plugin's client."""
    purpose: t.ClassVar[str]
    """First sentence of `--help`."""
    examples: t.ClassVar[str]
    """Command lines that `--help` shows."""
    output_files: t.ClassVar[Sequence[str]] = ("report_path", "limits_path")
    """Settings with the path of a file to which a run writes."""
    input_files: t.ClassVar[Sequence[str]] = ()
    """Settings with the path of a file that a run reads."""

    def __init__(
        self,
        *,
        config: dict[str, t.Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        **options: t.Any,
    ) -> None:
        settings = dict(config or {})
        if parse_env_config:
            settings |= self.read_environment()
        errors = self.complete_settings(settings)
        if errors and validate_config:
            raise ConfigValidationError("Config validation failed", errors=errors)
        self.logger.addFilter(_is_not_about_environment)
        RUN_REPORT.measure_by(self.measure)
        super().__init__(config=settings, validate_config=validate_config, **options)

    # The report of the run

    @classmethod
    def invoke(cls, **options: t.Any) -> None:
        """Run the plugin, or print its description if the option `about` is given."""
        if not options.get("about"):
            cls.begin_report(options["config"])
        super().invoke(**options)

    @classmethod
    def begin_report(cls, given: t.Any, *, is_only_failure: bool = False) -> None:
        """Open the file at `report_path`, before anything that can end the run with an error.

        It is not opened if it is also the file of another setting, which is an error in the
        settings.

        Args:
            given: the SDK's value of `--config`: settings of files, and whether to read variables.
            is_only_failure: True to report only a failure.

        Raises:
            OutputFileError: the file cannot be opened.
        """
        files = cls._files_of(given)
        path = files["report_path"]
        if isinstance(path, str) and path and not errors_of_sharing("report_path", path, files):
            RUN_REPORT.begin(
                path,
                plugin=cls.name,
                version=cls.plugin_version,
                is_only_failure=is_only_failure,
            )

    @classmethod
    def refuse_to_write_to(cls, option: str, path: str, given: t.Any) -> None:
        """Raise an error if a file that the command line names is one to which a run writes.

        Args:
            option: the option that names the file.
            path: its path.
            given: the SDK's value of `--config`.

        Raises:
            SettingsError: a setting names the file too.
        """
        files = cls._files_of(given)
        outputs = {name: files[name] for name in cls.output_files}
        if errors := errors_of_sharing(option, path, outputs):
            raise SettingsError(errors[0])

    @classmethod
    def _files_of(cls, given: t.Any) -> dict[str, t.Any]:
        """Return the settings that name files, with their values before validation."""
        names = (*cls.output_files, *cls.input_files)
        files = {name: given.config.get(name) for name in names}
        if given.parse_env:
            files |= {name: value for name in names if (value := cls._variable(name))}
        return files

    def measure(self) -> tuple[StreamCounts, CallCounts]:
        """Return the counters of this run so far: records by stream, and API calls."""
        raise NotImplementedError

    # Settings

    @classmethod
    def read_environment(cls) -> dict[str, t.Any]:
        """Return the settings given by environment variables and a `.env` file.

        Raises:
            SettingsError: a variable cannot be read as its setting's type.
        """
        cls.append_builtin_config(cls.config_jsonschema)
        cls._load_dotenv()
        given = environment_settings(
            cls.config_jsonschema["properties"], environment_prefix(cls.name), os.environ
        )
        cls.logger.info("Settings from environment variables: %s.", ", ".join(given) or "none")
        return given

    @classmethod
    def _load_dotenv(cls) -> None:
        path = Path.cwd() / ".env"
        try:
            # The file overrides the environment, as in the SDK.
            load_dotenv(path, override=True, encoding="utf-8-sig")
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise SettingsError(f"--config=ENV: cannot read {path}: {reason}.") from None

    @classmethod
    def complete_settings(cls, settings: dict[str, t.Any]) -> list[str]:
        """Add defaults to the settings, and return the errors in them, one sentence each.

        Log a warning for each unknown setting.
        """
        cls.append_builtin_config(cls.config_jsonschema)
        warn_unknown_settings(settings, cls.config_jsonschema, cls.logger)
        for name, schema in cls.config_jsonschema["properties"].items():
            if "default" in schema and settings.get(name) is None:
                settings[name] = schema["default"]
        settings |= with_whole_numbers(settings, cls.config_jsonschema)
        return cls.settings_errors(settings)

    @classmethod
    def settings_errors(cls, settings: dict[str, t.Any]) -> list[str]:
        """Return the errors in the settings, one sentence each, which never quote a secret."""
        return [
            *setting_errors(settings, cls.config_jsonschema),
            *shared_file_errors(settings, cls.output_files, cls.input_files),
        ]

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, t.Any]) -> None:
        """Add to a JSON schema the SDK's settings that have an effect: stream maps, flattening.

        Other settings of the SDK (a target's load method, batch size, record metadata and JSON
        Schema validation) would have no effect and are not added. BATCH messages name their files
        themselves.
        """
        PluginBase.append_builtin_config(config_jsonschema)
        properties = config_jsonschema["properties"]
        # Stream maps can use `fake` only with an extra of the SDK, which is not installed.
        properties.pop("faker_config", None)
        properties["stream_maps"] = corrected_maps(properties["stream_maps"])
        properties[_DEPTH] = with_least_depth(properties[_DEPTH])

    # Process

    def _setup_signal_handlers(self) -> None:
        """Do nothing instead of installing the SDK's signal handlers: `process.run` has its own.

        The SDK's handlers end with exit code 0 and write STATE from within a signal handler. The
        SDK installs them in its constructor, in which a tap makes calls, so it would be too late
        to restore ours afterwards. The SDK has no public name to turn them off.
        """

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command-line interface with this plugin's texts for `--help`."""
        command = super().get_singer_command()
        set_help(command, purpose=cls.purpose, examples=cls.examples)
        return command

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> t.Any:
        """Read the files of `--config`; an unreadable one is reported in one sentence."""
        files = [path for path in value if path != _ENVIRONMENT]
        settings = read_config_files(files)
        apply_log_format(settings | cls._log_format_of_environment(value))
        given = super().cb_config(ctx, param, tuple(path for path in value if path not in files))
        # The SDK does not read these files, because it fails on a byte order mark.
        given.config.update(settings)
        for path in files:
            cls.refuse_to_write_to("--config", path, given)
        return given

    @classmethod
    def _log_format_of_environment(cls, sources: tuple[str, ...]) -> dict[str, str]:
        """Return the setting `log_format` from its environment variable if `--config=ENV` is given.

        It is read before all other settings, so that every log line has that format. Return an
        empty mapping without `--config=ENV` or without the variable.
        """
        given = cls._variable(LOG_FORMAT) if _ENVIRONMENT in sources else None
        return {LOG_FORMAT: given} if given else {}

    @classmethod
    def _variable(cls, setting: str) -> str | None:
        """Return the text of a setting's environment variable, also if `.env` has it."""
        cls._load_dotenv()
        return os.environ.get(f"{environment_prefix(cls.name)}{setting.upper()}")

    @classmethod
    def run_console_script(cls) -> t.NoReturn:
        """Run the plugin's command line, and end the process with its exit code."""
        run(
            partial(run_command, cls, os.environ),
            expected_errors=EXPECTED_ERRORS,
            at_end=RUN_REPORT.write,
        )
