"""Small templates for the tests of the rules engine."""

from __future__ import annotations

from typing import Any

from mlops_constructs.rules import Finding, check_template


def group(**properties: Any) -> dict[str, Any]:
    """A feature group without a fault, with these properties changed; None takes one away."""
    merged = {
        "FeatureGroupName": "census",
        "RecordIdentifierFeatureName": "person_id",
        "EventTimeFeatureName": "event_time",
        "FeatureDefinitions": [
            {"FeatureName": "person_id", "FeatureType": "String"},
            {"FeatureName": "event_time", "FeatureType": "String"},
        ],
        "OnlineStoreConfig": {"EnableOnlineStore": True},
        **properties,
    }
    kept = {name: value for name, value in merged.items() if value is not None}
    return {"Type": "AWS::SageMaker::FeatureGroup", "Properties": kept}


def check_group(template: dict[str, Any] | None = None, **properties: Any) -> list[str]:
    """The ids of the rules that such a feature group breaks, in a template with these sections."""
    document = {"Resources": {"Group": group(**properties)}, **(template or {})}
    return ids(check_template(document))


def ids(findings: list[Finding]) -> list[str]:
    """The rules found, in order."""
    return [finding.rule for finding in findings]
