"""Every exported metric, in one list.  ``docs/metrics.md`` has an entry for each, and a test holds that.

Names follow Prometheus: base units in the name, ``_total`` for what only grows.  The page adds the labels ``role`` and
``id`` (of the process) to each sample.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """``kind`` is counter, gauge or histogram."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"fengsui_{name}_total", "counter", text, labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"fengsui_{name}", "gauge", text, labels)


def _histogram(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"fengsui_{name}", "histogram", text, labels)


METRICS = {
    m.name: m
    for m in (
        # every role
        _gauge("role_up", "1 when the role answered this question, 0 when it did not"),
        _gauge("role_ready", "1 when the role says that it does its work"),
        _gauge("role_start_time_seconds", "When the process started, Unix time"),
        _counter("process_cpu_seconds", "Processor time of the process"),
        _gauge("process_resident_memory_bytes", "Resident memory of the process"),
        _gauge("process_open_files", "Open file descriptors of the process"),
        _gauge("clock_apart_seconds", "The machine's clock less the platform's time; 0 while they go together"),
        _counter("clock_jumps", "Jumps of the machine's clock that the process noticed"),
        # gateway; also web, which takes readings on the portal's port
        _counter("gateway_requests", "Requests to the HTTP listener, by status of the answer", "code"),
        _counter("gateway_received_bytes", "Bytes of request bodies, unpacked"),
        _counter("gateway_readings_accepted", "Readings that the bus has, and that nothing was wrong with"),
        _counter(
            "gateway_readings_refused", "Readings that the bus has as refused at the door, by reason", "reason"
        ),
        _counter("gateway_busy", "Requests refused because the bus was away or slow"),
        _counter("gateway_turned_away", "Requests and publishes turned away because a disk had no room"),
        _gauge("gateway_disk_full", "1 while a disk has no room and nothing new is taken"),
        _histogram("gateway_group_batches", "Batches that shared one write to the bus (group commit)"),
        _histogram("gateway_bus_write_seconds", "From sending a message to the bus having it on disk"),
        _counter("gateway_bus_bytes", "Bytes written to the bus"),
        _counter("gateway_bus_retries", "Writes to the bus that had to be sent again"),
        _gauge("gateway_queue_bytes", "Bytes that wait for the bus"),
        _gauge("gateway_queue_age_seconds", "How long the oldest batch has waited for the bus"),
        _gauge("gateway_mqtt_waiting", "MQTT publishes on the bus that no gateway has read"),
        _counter("gateway_mqtt_lost", "MQTT publishes of QoS 0 dropped because there were too many"),
        _counter("gateway_logins", "MQTT log-ins of devices, by answer", "answer"),
        # field protocols at the gateway
        _gauge("field_connections", "Connections and senders of field devices that are open", "protocol"),
        _counter("field_opened", "Connections and senders of field devices", "protocol"),
        _counter("field_closed", "Connections of field devices that ended, by reason", "protocol", "reason"),
        _counter("field_turned_away", "Connections of field devices refused, by limit", "protocol", "reason"),
        _counter("field_bytes", "Bytes from field devices", "protocol"),
        _counter("field_frames", "Whole frames from field devices", "protocol"),
        _counter("field_refused", "Frames and pieces of noise refused, by reason", "protocol", "reason"),
        _counter("field_unkept", "Refused pieces of loud strangers that were counted and not kept", "protocol"),
        _counter("field_readings", "Readings of field devices that nothing was wrong with", "protocol"),
        _counter("field_unmapped", "Readings whose code nobody mapped; they are in quarantine", "protocol"),
        _counter("field_unwanted", "Readings whose code is mapped to nothing", "protocol"),
        _counter("field_media", "Files of field devices, kept or why not", "protocol", "outcome"),
        _counter("field_sent", "Answers and commands sent to field devices", "protocol"),
        _counter("field_commands", "Commands to field devices, by outcome", "protocol", "outcome"),
        _counter("field_lost", "Frames that the bus did not take before the gateway stopped", "protocol"),
        # bus
        _gauge("bus_stream_messages", "Messages in a stream", "stream"),
        _gauge("bus_stream_bytes", "Bytes of a stream on disk", "stream"),
        _gauge("bus_stream_limit_bytes", "Bytes that a stream may have before writers are slowed", "stream"),
        _gauge("bus_consumer_pending", "Messages that a consumer was not sent yet", "stream", "consumer"),
        _gauge(
            "bus_consumer_unacknowledged", "Messages sent and not acknowledged yet", "stream", "consumer"
        ),
        # pipeline
        _counter(
            "pipeline_readings",
            "Committed readings at each boundary of the ledger, by outcome",
            "partition", "boundary", "outcome",
        ),
        _histogram("pipeline_epoch_seconds", "From an epoch's first reading to its commit", "partition"),
        _histogram("pipeline_commit_seconds", "Making an epoch durable: segments, state, transaction", "partition"),
        _counter("pipeline_engine_seconds", "Time spent decoding, checking and judging readings", "partition"),
        _counter("pipeline_engine_readings", "Readings decoded, checked and judged", "partition"),
        _gauge("pipeline_lag_messages", "Messages on the bus that were not taken yet", "partition"),
        _gauge("pipeline_lag_seconds", "Age of the newest message taken; 0 when no other waits", "partition"),
        _gauge("pipeline_uncommitted_readings", "Readings taken and not committed yet", "partition"),
        _gauge("pipeline_alarms_waiting", "Events of the engine that are not in the database yet", "partition"),
        _counter("pipeline_alarm_events", "Events of the engine: raised, cleared, ended", "partition"),
        _histogram("pipeline_checkpoint_seconds", "Writing the state of the engine to disk", "partition"),
        _gauge("pipeline_checkpoint_bytes", "Size of the last written state", "partition"),
        _gauge("pipeline_datastreams", "Datastreams that the partition knows", "partition"),
        _gauge("pipeline_rules", "Rules in force", "partition"),
        # video; it also says the gateway's metrics of its own writes to the bus
        _gauge("video_devices", "Video devices, by state", "state"),
        _gauge("video_cameras", "Cameras in the catalogues of video devices"),
        _counter("video_requests", "Requests of video devices, by method", "method"),
        _counter("video_messages_refused", "Messages of video devices that could not be read"),
        _counter("video_turned_away", "Registrations refused: unknown, out of use, or a wrong password"),
        _counter("video_sent_again", "Requests sent again because no answer came"),
        _counter("video_unanswered", "Requests that no device answered in time"),
        _counter("video_alarms", "Alarms that video devices reported"),
        _gauge("video_streams", "Cameras being shown"),
        _counter("video_calls", "Calls that cameras took"),
        _counter("video_calls_ended", "Calls that ended, by why", "why"),
        _counter("video_frames", "Frames received of cameras"),
        _counter("video_received_bytes", "Bytes of pictures received"),
        _counter("video_packets_lost", "Packets of pictures that never came"),
        _counter("video_packets_refused", "Packets of pictures that could not be read or were somebody else's"),
        _counter("video_stills", "Still pictures, by result", "result"),
        # worker
        _gauge("outbox_pending", "Events that wait for their handler"),
        _gauge("outbox_age_seconds", "Age of the oldest event that waits"),
        _gauge("outbox_dead", "Events given up after too many failures"),
        _counter("outbox_events", "Events handed to handlers by this worker, by result", "result"),
        _gauge("jobs", "Jobs in the queue, by state", "state"),
        _gauge("loops_overdue", "Open loops past a time limit"),
        _counter("loops_escalated", "Escalations told by this worker"),
        _gauge("history_bytes", "Size of the Parquet segments"),
        _gauge("history_readings", "Readings in the Parquet segments"),
        _gauge("history_segments", "Number of Parquet segments"),
        _gauge("db_size_bytes", "Size of the database"),
        _gauge("db_connections", "Connections to the database, by state", "state"),
        _counter("db_commits", "Transactions committed by the database"),
        _counter("db_rollbacks", "Transactions rolled back by the database"),
        _gauge("disk_free_bytes", "Free space of the disk that holds FENGSUI_HOME"),
        _gauge("disk_size_bytes", "Size of the disk that holds FENGSUI_HOME"),
        # web
        _counter("web_requests", "Requests answered, by route and status", "route", "method", "code"),
        _histogram("web_request_seconds", "From request to answer, by route", "route"),
        _gauge("web_streams_open", "Open streams of live events"),
        _counter("web_events_pushed", "Live events written to streams"),
    )
}  # fmt: skip
