"""Reads OpenMetrics on standard input with the strict parser of Prometheus' Python client, and
prints one line a sample: family, type, sample name, sorted labels, value, timestamp."""
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.buffer.read().decode("utf-8")):
    print("family", family.name, family.type, repr(family.documentation), repr(family.unit))
    for sample in family.samples:
        print("sample", sample.name, sorted(sample.labels.items()), float(sample.value),
              sample.timestamp)
