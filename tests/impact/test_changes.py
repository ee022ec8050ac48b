"""The table of changes, and what the gate says beside the action."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.impact import STATEFUL, Action, Change, analyse
from mlops_constructs.impact.registry import behaviour, source
from tests.impact.cases import (
    BUCKET,
    CASES,
    CONFIG,
    ENDPOINT,
    GROUP,
    MODEL,
    PARAMETER,
    QUEUE,
    ROLE,
    SERVING,
    TOPIC,
    Case,
    att,
    but,
    make,
    ref,
    tags,
)

Json = dict[str, Any]


def changes_of(old: Json, new: Json) -> dict[str, Change]:
    """The changes of one stack, by logical id."""
    documents = [t if "Resources" in t else {"Resources": t} for t in (old, new)]
    found = analyse({"stack": documents[0]}, {"stack": documents[1]})
    return {change.resource: change for change in found}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_action(case: Case) -> None:
    found = changes_of(case.old, case.new)
    assert {name: change.action.value for name, change in found.items()} == case.expected


def test_the_table_is_large_and_its_names_are_unique() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert {action for case in CASES for action in case.expected.values()} == {
        action.value for action in Action
    }


# --- the table of the registry -------------------------------------------------------------------


def test_the_registry_table_covers_all_types() -> None:
    assert "CloudFormation registry schemas of 20" in source()
    group = behaviour("AWS::SageMaker::FeatureGroup")
    assert ("OnlineStoreConfig", "SecurityConfig") in group.create_only
    assert ("Tags",) in group.create_only
    assert group.names == ("FeatureGroupName",)
    assert behaviour("AWS::DynamoDB::Table").conditional == (("KeySchema",),)
    assert behaviour("Custom::Anything").create_only == (("ServiceToken",),)
    assert not behaviour("Acme::Cloud::Thing").known


def test_every_stateful_type_exists() -> None:
    assert [name for name in STATEFUL if not behaviour(name).known] == []


def test_the_committed_table_is_that_of_the_installed_schemas() -> None:
    spec = find_spec("cfnlint")
    assert spec is not None
    version = Path(str(spec.origin)).parent / "data" / "schemas" / "version.json"
    dated = json.loads(version.read_text())["schema_date"][:10]
    assert dated in source(), "run tools/update_replacements.py"


# --- why -----------------------------------------------------------------------------------------


def test_the_property_at_fault_and_both_values_are_named() -> None:
    found = changes_of({"G": GROUP}, {"G": but(GROUP, RecordIdentifierFeatureName="time")})["G"]
    assert found.because[0] == 'RecordIdentifierFeatureName: "id" → "time" (create-only)'
    assert "RecordIdentifierFeatureName" in found.way_out
    assert found.dangerous


def test_a_replacement_under_a_fixed_name_is_said_to_collide() -> None:
    collides = changes_of({"G": GROUP}, {"G": but(GROUP, Tags=tags(a="b"))})["G"]
    assert 'it keeps its fixed name "customers"' in " ".join(collides.because)
    renamed = but(GROUP, FeatureGroupName="clients")
    assert "fixed name" not in " ".join(changes_of({"G": GROUP}, {"G": renamed})["G"].because)


def test_a_type_that_deletes_first_does_not_collide() -> None:
    job = make("SageMaker::ProcessingJob", ProcessingJobName="p", RoleArn="a")
    found = changes_of({"J": job}, {"J": but(job, RoleArn="b")})["J"]
    assert found.action == Action.REPLACE
    assert "fixed name" not in " ".join(found.because)


def test_a_name_within_a_replaced_parent_does_not_collide() -> None:
    domain = make("SageMaker::Domain", AuthMode="IAM")
    user = make("SageMaker::UserProfile", DomainId=ref("D"), UserProfileName="u")
    found = changes_of({"D": domain, "U": user}, {"D": but(domain, AuthMode="SSO"), "U": user})
    assert found["U"].action == Action.REPLACE
    assert "fixed name" not in " ".join(found["U"].because)
    moved = changes_of({"U": but(user, SingleSignOnUserValue="a")}, {"U": user})["U"]
    assert 'fixed name "u", D' in " ".join(moved.because)


def test_chains_are_told_link_by_link() -> None:
    old = {**SERVING, "Endpoint": ENDPOINT}
    found = changes_of(old, {**old, "Role": but(ROLE, Path="/x/")})
    assert found["Role"].because == ('Path: (absent) → "/x/" (create-only)',)
    assert found["Model"].because == ("ExecutionRoleArn: Role is replaced (create-only)",)
    assert found["Config"].because == (
        "ProductionVariants[0].ModelName: Model is replaced (create-only)",
    )
    assert found["Endpoint"].because == (
        "EndpointConfigName: Config is replaced (shifts traffic to a new fleet)",
    )


def test_a_fixed_configuration_name_never_reaches_the_endpoint() -> None:
    named = but(CONFIG, EndpointConfigName="fixed")
    old = {"Role": ROLE, "Model": MODEL, "Config": named, "Endpoint": ENDPOINT}
    found = changes_of(old, {**old, "Config": but(named, KmsKeyId="k")})
    assert found["Config"].action == Action.REPLACE
    assert found["Endpoint"].action == Action.NONE


def test_the_reasons_that_replace_come_first_and_are_not_endless() -> None:
    def tagged(value: str) -> Json:
        variables = {f"V{i}": value for i in range(30)}
        return {"M": make("Lambda::Function", Environment=variables, FunctionName=value)}

    found = changes_of(tagged("a"), tagged("b"))["M"]
    assert found.because[0] == 'FunctionName: "a" → "b" (create-only)'
    assert found.because[10] == "and 21 more"


def test_features_can_only_be_added() -> None:
    fewer = but(GROUP, FeatureDefinitions=GROUP["Properties"]["FeatureDefinitions"][:1])
    found = changes_of({"G": GROUP}, {"G": fewer})["G"]
    assert found.action == Action.UPDATE
    assert "only adds features" in found.because[-1]


def test_retention_says_what_remains() -> None:
    kept = {**GROUP, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    gone = changes_of({"G": kept, "T": TOPIC}, {"T": TOPIC})["G"]
    assert "DeletionPolicy Retain: what is there now stays, outside of the stack" in gone.because
    assert gone.dangerous
    new = changes_of({"G": kept}, {"G": but(kept, FeatureGroupName="b")})["G"]
    assert any(reason.startswith("UpdateReplacePolicy Retain") for reason in new.because)
    late = changes_of({"G": GROUP}, {"G": but(kept, FeatureGroupName="b")})["G"]
    assert "UpdateReplacePolicy: Delete → Retain" in late.because
    assert not any("stays" in reason for reason in late.because)


@pytest.mark.parametrize(
    ("properties", "stays"),
    [({}, True), ({"DBClusterIdentifier": "c"}, False)],
)
def test_databases_leave_a_snapshot_by_default(properties: Json, stays: bool) -> None:
    database = make("RDS::DBInstance", **properties)
    gone = changes_of({"D": database, "T": TOPIC}, {"T": TOPIC})["D"]
    assert any("Snapshot" in reason for reason in gone.because) is stays


def test_a_weaker_deletion_policy_is_told_though_nothing_happens() -> None:
    found = changes_of({"B": {**BUCKET, "DeletionPolicy": "Retain"}}, {"B": BUCKET})["B"]
    assert (found.action, found.because) == (Action.NONE, ("DeletionPolicy: Retain → Delete",))


def test_the_policy_of_a_condition_is_resolved() -> None:
    policy = {"Fn::If": ["Keep", "Retain", "Delete"]}
    old = {
        "Conditions": {"Keep": {"Fn::Equals": ["a", "a"]}},
        "Resources": {"B": {**BUCKET, "DeletionPolicy": policy}, "T": TOPIC},
    }
    assert "Retain" in " ".join(changes_of(old, {"T": TOPIC})["B"].because)


# --- renames -------------------------------------------------------------------------------------


def test_a_rename_is_recognised_on_both_sides() -> None:
    found = changes_of({"Old": GROUP}, {"New": GROUP})
    assert found["Old"].because[0].startswith("renamed to New")
    assert found["New"].because[0] == "renamed from Old"
    assert 'override_logical_id("Old")' in found["Old"].way_out
    assert found["Old"].dangerous
    assert not found["New"].dangerous


def test_renames_are_recognised_through_renamed_references() -> None:
    def resources(suffix: str) -> Json:
        queue = but(QUEUE, KmsMasterKeyId=ref(f"Key{suffix}"))
        key = make("KMS::Key", Description="k")
        return {f"Key{suffix}": key, f"Queue{suffix}": queue}

    found = changes_of(resources("A"), resources("B"))
    assert found["QueueA"].because[0].startswith("renamed to QueueB")
    assert found["KeyA"].because[0].startswith("renamed to KeyB")


def test_the_same_fixed_name_is_a_rename_though_the_rest_changed() -> None:
    found = changes_of({"Old": GROUP}, {"New": but(GROUP, Description="d")})
    assert found["Old"].because[0].startswith("renamed to New")


def test_of_several_the_likeliest_is_the_renamed_one() -> None:
    found = changes_of(
        {"DataBucket1A2B3C4D": BUCKET, "LogsBucket11111111": BUCKET},
        {"Logs2Bucket22222222": BUCKET, "Data2Bucket33333333": BUCKET},
    )
    assert found["DataBucket1A2B3C4D"].because[0].startswith("renamed to Data2")
    assert found["LogsBucket11111111"].because[0].startswith("renamed to Logs2")


def test_different_content_is_no_rename() -> None:
    found = changes_of({"Old": but(BUCKET, BucketName="a")}, {"New": but(BUCKET, BucketName="b")})
    assert found["Old"].because[0] == "removed from the template"


# --- several stacks ------------------------------------------------------------------------------

EXPORT = {"Outputs": {"O": {"Value": att("Role"), "Export": {"Name": "Base:Role"}}}}
BASE: Json = {"Resources": {"Role": ROLE}, **EXPORT}
MOVED: Json = {"Resources": {"Role": but(ROLE, Path="/x/")}, **EXPORT}


def across(old: Json, new: Json) -> dict[tuple[str, str], Change]:
    return {(change.stack, change.resource): change for change in analyse(old, new)}


def test_a_replacement_reaches_the_stacks_that_import_it() -> None:
    user = {
        "Resources": {
            "Model": but(MODEL, ExecutionRoleArn={"Fn::ImportValue": "Base:Role"}),
            "P": but(
                PARAMETER, Value={"Fn::Sub": ["${r}", {"r": {"Fn::ImportValue": "Base:Role"}}]}
            ),
        }
    }
    found = across({"Base": BASE, "App": user}, {"Base": MOVED, "App": user})
    assert found["App", "Model"].action == Action.REPLACE
    assert found["App", "P"].action == Action.UPDATE
    assert "exported to App" in " ".join(found["Base", "Role"].because)


def test_a_replacement_goes_through_two_stacks() -> None:
    middle = {
        "Resources": {"Model": but(MODEL, ExecutionRoleArn={"Fn::ImportValue": "Base:Role"})},
        "Outputs": {"M": {"Value": att("Model", "ModelName"), "Export": {"Name": "Mid:Model"}}},
    }
    variant = {"VariantName": "v", "ModelName": {"Fn::ImportValue": "Mid:Model"}}
    top = {"Resources": {"Config": but(CONFIG, ProductionVariants=[variant])}}
    stacks = {"Top": top, "Mid": middle, "Base": BASE}
    found = across(stacks, {**stacks, "Base": MOVED})
    assert found["Top", "Config"].action == Action.REPLACE


def test_exports_with_the_name_of_the_stack() -> None:
    def exporting(role: Json) -> Json:
        name = {"Fn::Sub": "${AWS::StackName}-role"}
        return {
            "Resources": {"Role": role},
            "Outputs": {"O": {"Value": att("Role"), "Export": {"Name": name}}},
        }

    user = {
        "Parameters": {"Base": {"Type": "String", "Default": "base"}},
        "Resources": {
            "Model": but(MODEL, ExecutionRoleArn={"Fn::ImportValue": {"Fn::Sub": "${Base}-role"}})
        },
    }
    found = across(
        {"base": exporting(ROLE), "app": user},
        {"base": exporting(but(ROLE, Path="/x/")), "app": user},
    )
    assert found["app", "Model"].action == Action.REPLACE


def test_an_export_that_now_names_another_resource() -> None:
    other: Json = {
        "Resources": {"Role": ROLE, "Role2": ROLE},
        "Outputs": {"O": {"Value": att("Role2"), "Export": {"Name": "Base:Role"}}},
    }
    user = {"Resources": {"Model": but(MODEL, ExecutionRoleArn={"Fn::ImportValue": "Base:Role"})}}
    found = across({"Base": BASE, "App": user}, {"Base": other, "App": user})
    assert found["App", "Model"].action == Action.REPLACE


def test_a_resource_that_moves_to_another_stack() -> None:
    found = across(
        {"A": {"Resources": {"G": GROUP, "T": TOPIC}}, "B": {"Resources": {"Q": QUEUE}}},
        {"A": {"Resources": {"T": TOPIC}}, "B": {"Resources": {"Q": QUEUE, "G": GROUP}}},
    )
    assert found["A", "G"].because[0].startswith('moved to G of stack "B"')
    assert "cdk refactor" in found["A", "G"].way_out


def test_stacks_come_and_go() -> None:
    found = across({"A": {"Resources": {"B": BUCKET}}}, {"N": {"Resources": {"T": TOPIC}}})
    assert found["A", "B"].action == Action.DELETE
    assert 'stack "A" is gone' in found["A", "B"].because[0]
    assert found["N", "T"].action == Action.CREATE


def nested_pair(role: Json) -> Json:
    """A stack with two nested ones: the first makes the role, the second uses it."""

    def nested(name: str, **parameters: Any) -> Json:
        stack = make("CloudFormation::Stack", TemplateURL="u", Parameters=parameters)
        return {**stack, "Metadata": {"aws:asset:path": f"{name}.nested.template.json"}}

    return {
        "Main": {
            "Resources": {
                "A": nested("MainA"),
                "B": nested("MainB", Given=att("A", "Outputs.Role")),
            }
        },
        "MainA": {"Resources": {"Role": role}, "Outputs": {"Role": {"Value": att("Role")}}},
        "MainB": {
            "Parameters": {"Given": {"Type": "String"}},
            "Resources": {"Model": but(MODEL, ExecutionRoleArn=ref("Given"))},
        },
    }


def test_a_replacement_goes_from_one_nested_stack_to_another() -> None:
    found = across(nested_pair(ROLE), nested_pair(but(ROLE, Path="/x/")))
    assert {key: change.action.value for key, change in found.items()} == {
        ("Main", "A"): "none",
        ("Main", "B"): "update",
        ("MainA", "Role"): "replace",
        ("MainB", "Model"): "replace",
    }
    assert "CloudFormation refuses" not in " ".join(found["MainA", "Role"].because)


# --- conditions ----------------------------------------------------------------------------------


def staged(*, named: Json | str, condition: Json | None = None) -> Json:
    return {
        "Parameters": {"Stage": {"Type": "String", "Default": "dev"}},
        "Conditions": {"Prod": condition or {"Fn::Equals": [ref("Stage"), "prod"]}},
        "Resources": {"Q": but(QUEUE, QueueName=named)},
    }


def test_a_change_under_a_condition_says_when() -> None:
    old = staged(named={"Fn::If": ["Prod", "a", "c"]})
    new = staged(named={"Fn::If": ["Prod", "b", "c"]})
    found = changes_of(old, new)["Q"]
    assert found.because[-1] == "when Prod is true"


def test_conditions_of_both_sides_see_the_same_parameter() -> None:
    """Stage is `prod` on both sides or on none: no scenario may mix them."""
    either = {"Fn::Or": [{"Fn::Equals": [ref("Stage"), "prod"]}, {"Fn::Equals": ["a", "b"]}]}
    name = {"Fn::If": ["Prod", "a", "c"]}
    found = changes_of(staged(named=name), staged(named=name, condition=either))
    assert found["Q"].action == Action.NONE


def test_a_condition_that_covers_another_stage() -> None:
    staging = {"Fn::Equals": [ref("Stage"), "staging"]}
    name = {"Fn::If": ["Prod", "a", "c"]}
    found = changes_of(staged(named=name), staged(named=name, condition=staging))
    assert found["Q"].action == Action.REPLACE


def test_conditions_on_the_region_are_tried_both_ways() -> None:
    condition = {"Fn::Equals": [ref("AWS::Region"), "us-east-1"]}
    old, new = (
        staged(named={"Fn::If": ["Prod", value, "c"]}, condition=condition) for value in "ab"
    )
    assert changes_of(old, new)["Q"].action == Action.REPLACE


def test_a_resource_that_exists_under_a_condition_only() -> None:
    def template(condition: str) -> Json:
        return {
            "Parameters": {"Stage": {"Type": "String", "Default": "dev"}},
            "Conditions": {"Prod": {"Fn::Equals": [ref("Stage"), condition]}},
            "Resources": {"G": {**GROUP, "Condition": "Prod"}, "T": TOPIC},
        }

    found = changes_of(template("prod"), template("never"))["G"]
    assert found.action == Action.DELETE
    assert found.dangerous


def test_ssm_parameters_compare_by_name() -> None:
    def template(default: str) -> Json:
        kind = "AWS::SSM::Parameter::Value<String>"
        return {
            "Parameters": {"P": {"Type": kind, "Default": default}},
            "Resources": {"Q": but(QUEUE, QueueName=ref("P"))},
        }

    assert changes_of(template("/a"), template("/a"))["Q"].action == Action.NONE
    found = changes_of(template("/a"), template("/b"))["Q"]
    assert found.because[0].startswith('QueueName: "{{resolve:ssm:/a}}" → "{{resolve:ssm:/b}}"')
