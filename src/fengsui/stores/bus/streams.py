"""The streams: READINGS is the durable log of batches, LIVE the last minutes of what screens must show.

READINGS is a work queue: a message leaves only when the pipeline has acknowledged it, and when the log is full
writers are refused (and so slowed) instead of old messages dropped.
"""

from nats.aio.client import Client
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

READINGS = "READINGS"
LIVE = "LIVE"
LIVE_SUBJECTS = ["live.alarm", "live.loop", "live.site", "live.ledger", "live.warning"]
LIVE_SECONDS = 600


def partition_of(site_id: int, partitions: int) -> int:
    """Which partition of READINGS a site belongs to."""
    return site_id % partitions


def subject_for(site_id: int, partitions: int) -> str:
    """The subject that carries the batches of a site."""
    return f"readings.{partition_of(site_id, partitions)}"


async def ensure(client: Client, max_bytes: int, replicas: int = 0) -> None:
    """Make the streams, or bring them to this configuration.  Safe to call from every role at every start.

    ``replicas`` 0 leaves the number of copies as it is (one, where the stream is new).
    """
    js = client.jetstream()
    for config in (
        StreamConfig(
            name=READINGS,
            subjects=["readings.*"],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_bytes=max_bytes,
            duplicate_window=120,
        ),
        StreamConfig(
            name=LIVE,
            subjects=LIVE_SUBJECTS,
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=LIVE_SECONDS,
            max_bytes=64 << 20,
            duplicate_window=120,
        ),
    ):
        try:
            config.num_replicas = replicas or (await js.stream_info(str(config.name))).config.num_replicas
            await js.update_stream(config)
        except NotFoundError:
            config.num_replicas = replicas or 1
            await js.add_stream(config)
