# SPDX-License-Identifier: Apache-2.0
"""The bag that is written: the recording's own messages, and the answers beside their images."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import cast

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Reader, StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from digit_ros.bag.errors import BagError
from digit_ros.bag.input import messages
from digit_ros.bag.journal import Journal
from digit_ros.bag.types import typestore

_PLUGINS = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
#: Of a type that neither the recording nor rosbags describes.
_UNKNOWN_HASH = "RIHS01_" + "0" * 64
_FOREVER = QosTime(9223372036, 854775807)


def _qos(depth: int, durability: QosDurability) -> Qos:
    """Reliable, as digit_node publishes."""
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=depth,
        reliability=QosReliability.RELIABLE,
        durability=durability,
        deadline=_FOREVER,
        lifespan=_FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_FOREVER,
        avoid_ros_namespace_conventions=False,
    )


def write_bag(
    reader: Reader, journal: Journal, path: Path, storage: str, advance: Callable[[], object]
) -> None:
    """Write the whole bag to `path`, which does not exist; what is there on failure is no bag.

    Args:
        reader: the recording.
        journal: the answers to all of its images.
        storage: "mcap" or "sqlite3".
        advance: called after each message of the recording.

    Raises:
        BagError: the recording is damaged, or the bag cannot be written.
    """
    writer = Writer(path, version=9, storage_plugin=_PLUGINS[storage])
    try:
        with writer:
            _Merge(reader, journal, writer).run(advance)
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise BagError(
            f"{path}: cannot be written: {why}; what is estimated is kept, and the same command"
            " goes on from there"
        ) from error
    except WriterError as error:
        raise BagError(f"{reader.path}: damaged, it cannot be copied: {error}") from error


class _Merge:
    def __init__(self, reader: Reader, journal: Journal, writer: Writer) -> None:
        self._reader, self._journal, self._writer = reader, journal, writer
        self._types = typestore()
        self._own = {c.id: self._copy(c) for c in reader.connections}
        self._added: dict[tuple[str, str], Connection] = {}
        for connection in self._own.values():
            self._added.setdefault((connection.topic, connection.msgtype), connection)

    def run(self, advance: Callable[[], object]) -> None:
        places = {camera: iter(found) for camera, found in self._journal.done.items()}
        for connection, stamp_ns, data in messages(self._reader):
            self._writer.write(self._own[connection.id], stamp_ns, data)
            if connection.topic in places:
                record = self._journal.read(next(places[connection.topic]))
                for topic, kind, answer in record.messages:
                    self._writer.write(self._connection(topic, kind), stamp_ns, answer)
            advance()

    def _copy(self, connection: Connection) -> Connection:
        text, digest = _description(self._types, connection)
        return self._writer.add_connection(
            connection.topic,
            connection.msgtype,
            msgdef=text,
            rihs01=digest,
            offered_qos_profiles=cast(ConnectionExtRosbag2, connection.ext).offered_qos_profiles,
        )

    def _connection(self, topic: str, kind: str) -> Connection:
        """Of one of our topics; `/tf` of the recording is used when there is one."""
        key = (topic, kind)
        if key not in self._added:
            latched = topic.endswith("/label_info")
            durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
            self._added[key] = self._writer.add_connection(
                topic,
                kind,
                typestore=self._types,
                offered_qos_profiles=[_qos(1 if latched else 5, durability)],
            )
        return self._added[key]


def _description(store: Typestore, connection: Connection) -> tuple[str, str]:
    """Definition and hash of a recording's type; old recordings have one of them or none."""
    text, digest, kind = connection.msgdef.data, connection.digest, connection.msgtype
    if text and digest:
        return text, digest
    if kind in store.fielddefs:
        return text or store.generate_msgdef(kind, ros_version=2)[0], store.hash_rihs01(kind)
    try:
        own = get_typestore(Stores.EMPTY)
        own.register(get_types_from_msg(text, kind))
        return text, own.hash_rihs01(kind)
    except (TypesysError, KeyError):
        return text, digest or _UNKNOWN_HASH
