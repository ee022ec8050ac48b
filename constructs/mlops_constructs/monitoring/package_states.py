"""A machine that puts the baseline files of the served model package into fixed places.

Job definitions of Model Monitor name fixed S3 objects and read them at the start of each run, so
what lies there is replaced when another package is served, and no definition is.

Only AWS SDK integrations, no code of ours. What a package lacks comes from the monitor's own
folder; what neither has fails the machine by name, after the rest was copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_constructs.common.states import State, choice, task


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A file of a package.

    Attributes:
        name: What it is called when it is missing.
        members: Where its MetricsSource may be in DescribeModelPackage's answer, the first that is
            there: paths such as ``DriftCheckBaselines.Bias.PostTrainingConstraints``.
        otherwise: The URI of the monitor's own file; empty without one.
        key: Where it is put.
    """

    name: str
    members: Sequence[str]
    otherwise: str
    key: str

    def expression(self) -> str:
        """An object with where it is, in JSONata."""
        place = f"'{self.otherwise}'"
        for member in reversed(self.members):
            path = f"$states.result.{member}.S3Uri"
            place = f"$exists({path}) ? {path} : ({place})"
        return f"{{'Name': '{self.name}', 'Key': '{self.key}', 'From': {place}}}"


def states(
    *, endpoint: str | None, group: str, files: Sequence[Copied], bucket: str
) -> Mapping[str, State]:
    """The machine's states; the first is ``Find``.

    Args:
        endpoint: Whose package it is; None for the newest approved one of the group.
        group: The model package group.
        files: What is copied.
        bucket: Where it is put.
    """
    found = _of_group(group) if endpoint is None else _of_endpoint(endpoint)
    listed = ", ".join(file.expression() for file in files)
    return {
        **found,
        "ReadPackage": task(
            "sagemaker:describeModelPackage",
            {"ModelPackageName": "{% $package %}"},
            assign={"files": f"{{% [{listed}] %}}"},
            next_state="Sort",
            on_error="NotCopied",
        ),
        "Sort": {
            "Type": "Pass",
            "Assign": {
                "there": "{% [$files[From != '']] %}",
                "reason": "{% 'Neither ' & $package & ' nor the monitors have ' & "
                "$join([$files[From = ''].Name, ''], ' ') %}",
                "missing": "{% $count($files[From = '']) %}",
            },
            "Next": "Copy",
        },
        "Copy": {
            "Type": "Map",
            "Items": "{% $there %}",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "CopyOne",
                "States": {
                    "CopyOne": task(
                        "s3:copyObject",
                        {
                            "Bucket": bucket,
                            "Key": "{% $states.input.Key %}",
                            "CopySource": "{% $substringAfter($states.input.From, 's3://') %}",
                        },
                    )
                },
            },
            "Catch": [
                {
                    "ErrorEquals": ["States.ALL"],
                    "Assign": {
                        "reason": "{% $states.errorOutput.Error & ': ' & "
                        "$states.errorOutput.Cause %}"
                    },
                    "Next": "NotCopied",
                }
            ],
            "Next": "HasAll",
        },
        "HasAll": choice({"$missing > 0": "NotCopied"}, "Copied"),
        "Copied": {"Type": "Succeed"},
        "Nothing": {"Type": "Succeed", "Comment": "No model is served yet."},
        "NotCopied": {"Type": "Fail", "Error": "NotCopied", "Cause": "{% $reason %}"},
    }


def _of_endpoint(endpoint: str) -> Mapping[str, State]:
    container = (
        "$exists($states.result.PrimaryContainer.ModelPackageName) "
        "? $states.result.PrimaryContainer.ModelPackageName "
        ": $exists($states.result.Containers[0].ModelPackageName) "
        "? $states.result.Containers[0].ModelPackageName : ''"
    )
    return {
        "Find": task(
            "sagemaker:describeEndpoint",
            {"EndpointName": endpoint},
            assign={"config": "{% $states.result.EndpointConfigName %}"},
            next_state="FindModel",
            on_error="MayBeNone",
        ),
        # SageMaker has no error code of its own for what is not there.
        "MayBeNone": choice({"$contains($reason, 'Could not find')": "Nothing"}, "NotCopied"),
        "FindModel": task(
            "sagemaker:describeEndpointConfig",
            {"EndpointConfigName": "{% $config %}"},
            assign={
                "model": "{% $sort($states.result.ProductionVariants, function($a, $b) "
                "{ $a.InitialVariantWeight < $b.InitialVariantWeight })[0].ModelName %}"
            },
            next_state="FindPackage",
            on_error="NotCopied",
        ),
        "FindPackage": task(
            "sagemaker:describeModel",
            {"ModelName": "{% $model %}"},
            assign={
                "package": f"{{% {container} %}}",
                "reason": "The endpoint's model was not made from a model package.",
            },
            next_state="HasPackage",
            on_error="NotCopied",
        ),
        "HasPackage": choice({"$package = ''": "NotCopied"}, "ReadPackage"),
    }


def _of_group(group: str) -> Mapping[str, State]:
    newest = "$states.result.ModelPackageSummaryList[0].ModelPackageArn"
    return {
        "Find": task(
            "sagemaker:listModelPackages",
            {
                "ModelPackageGroupName": group,
                "ModelApprovalStatus": "Approved",
                "SortBy": "CreationTime",
                "SortOrder": "Descending",
                "MaxResults": 1,
            },
            assign={"package": f"{{% $exists({newest}) ? {newest} : '' %}}"},
            next_state="HasPackage",
            on_error="NotCopied",
        ),
        "HasPackage": choice({"$package = ''": "Nothing"}, "ReadPackage"),
    }
