"""Reads one exported document from standard input with the format's own parser, and writes what it
understood as one line of JSON: sums that the test compares with what it had put in."""

import json
import sys


def otlp(text):
    from google.protobuf import json_format
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    # Unknown fields and wrong types are errors here.
    request = json_format.Parse(text, ExportMetricsServiceRequest())
    found = {}
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                points = getattr(metric, kind).data_points
                if kind == "histogram":
                    for point in points:
                        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
                        assert sum(point.bucket_counts) == point.count
                        assert 0 < point.start_time_unix_nano < point.time_unix_nano
                    found[metric.name] = float(sum(point.count for point in points))
                elif kind == "sum":
                    assert metric.sum.is_monotonic and metric.sum.aggregation_temporality == 2
                    found[metric.name] = float(sum(point.as_int for point in points))
                else:
                    found[metric.name] = sum(point.as_double for point in points)
    return found


def traces(text):
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    # OTLP writes ids as hexadecimal digits, where protobuf's JSON has base64.
    import base64

    def ids(value):
        if isinstance(value, dict):
            hexes = ("traceId", "spanId", "parentSpanId")
            return {key: base64.b64encode(bytes.fromhex(part)).decode() if key in hexes else ids(part) for key, part in value.items()}
        return [ids(part) for part in value] if isinstance(value, list) else value

    request = json_format.ParseDict(ids(json.loads(text)), ExportTraceServiceRequest())
    found = []
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                assert len(span.trace_id) == 16 and len(span.span_id) == 8 and span.kind == 2
                assert span.start_time_unix_nano <= span.end_time_unix_nano
                found.append([span.name, span.trace_id.hex(), span.parent_span_id.hex(), span.status.code])
    return found


def families(families):
    found = {}
    for family in families:
        for sample in family.samples:
            if sample.name.endswith("_bucket") or sample.name.endswith("_sum"):
                continue
            found[sample.name] = found.get(sample.name, 0.0) + float(sample.value)
        routes = {sample.labels["route"] for sample in family.samples if "route" in sample.labels}
        if routes:
            found.setdefault("routes", []).extend(sorted(routes - set(found.get("routes", []))))
    return found


def text(page):
    from prometheus_client.parser import text_string_to_metric_families

    return families(text_string_to_metric_families(page))


def openmetrics(page):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    return families(text_string_to_metric_families(page))


def sentry(text):
    from sentry_sdk.envelope import Envelope

    envelope = Envelope.deserialize(text.encode())
    (item,) = envelope.items
    transaction, event = envelope.get_transaction_event(), envelope.get_event()
    read = transaction or event
    assert envelope.headers["event_id"] == read["event_id"] and len(read["event_id"]) == 32
    assert item.headers["length"] == len(item.get_bytes())
    return {
        "type": item.type,
        "category": item.data_category,
        "release": read["release"],
        "measurements": {name: one["value"] for name, one in read.get("measurements", {}).items()},
        "seconds": read["timestamp"] - read.get("start_timestamp", read["timestamp"]),
    }


if __name__ == "__main__":
    if sys.argv[1] == "ready":
        import opentelemetry.proto.metrics.v1.metrics_pb2  # noqa: F401
        import prometheus_client  # noqa: F401
        import sentry_sdk.envelope  # noqa: F401
    else:
        read = {"otlp": otlp, "text": text, "openmetrics": openmetrics, "sentry": sentry, "traces": traces}[sys.argv[1]]
        print(json.dumps(read(sys.stdin.read()), sort_keys=True))
