"""The forms of a log line: for people, for systemd's journal, and as JSON. Whatever was logged, a line is one line."""

import json
import logging
from datetime import UTC, datetime
from types import TracebackType

from bgzero_daemon.core.names import display_line

FIELDS = ("job", "photo", "outcome", "confidence")
"""What lines about a photo carry besides their text, where it is known (`extra` of `logging`)."""

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))  # sd-daemon(3), syslog(3)
_DEBUG = 7
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class TextForm(logging.Formatter):
    """A line of text; an exception's lines below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line."""
        record.message = display_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802
        """Return a traceback, each of its lines printable."""
        return "\n".join(map(display_line, super().formatException(ei).splitlines()))


class JsonForm(logging.Formatter):
    """One JSON object: time with zone, level, logger, message, the photo's fields, and an exception as one text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": display_line(record.getMessage()),
        }
        told |= {name: display_line(str(getattr(record, name))) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            told["exception"] = "\n".join(map(display_line, self.formatException(record.exc_info).splitlines()))
        return json.dumps(told, ensure_ascii=False)


class JournalForm(logging.Formatter):
    """Another form with its priority in front of every line, which the journal takes off again."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), _DEBUG)
        return "\n".join(f"<{priority}>{line}" for line in self._inner.format(record).splitlines())
