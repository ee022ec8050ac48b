"""Census income: does a person earn more than 50,000 dollars a year?

Preprocess → Train → Evaluate → is the AUC good enough? → Register, or else Fail.

The steps are general to tables with a binary label; what is special to the census stands in
`COLUMNS` and nowhere else, and reaches the steps as arguments.

Step caching compares a step's arguments, and input data only by URI: new data behind an old URI
looks like no change. Whoever starts the pipeline on new data passes another ``InputDataUri``, or
another ``DataVersion``, which is an argument of the first step for this purpose.
"""

from collections.abc import Mapping

from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import (
    MetricDefinition,
    OutputDataConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    StoppingCondition,
)
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import (
    ParameterFloat,
    ParameterInteger,
    ParameterString,
)
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData

from pipeline_code.compiler import Bundle, Context

COLUMNS = {
    "target": "income",
    "positive-label": ">50K",
    "split-column": "split",
    "train-split": "train",
    "test-split": "test",
    "numeric": "age,education_num,capital_gain,capital_loss,hours_per_week",
    "categorical": (
        "workclass,education,marital_status,occupation,relationship,race,sex,native_country"
    ),
    # fnlwgt says how many people a row of the census sample stands for; it is no feature.
    "ignored": "fnlwgt",
    "missing": "?",
}
FACETS = "sex,race"

XGBOOST_VERSION = "3.2-0"

PROCESSING = "/opt/ml/processing"
CACHE = CacheConfig(enable_caching=True, expire_after="P30D")
STEP_RETRY = StepRetryPolicy(
    exception_types=[StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING],
    interval_seconds=10,
    max_attempts=4,
)
JOB_RETRIES = [
    STEP_RETRY,
    SageMakerJobStepRetryPolicy(
        exception_types=[SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT],
        failure_reason_types=[
            SageMakerJobExceptionTypeEnum.INTERNAL_ERROR,
            SageMakerJobExceptionTypeEnum.CAPACITY_ERROR,
        ],
        interval_seconds=60,
        max_attempts=3,
    ),
]


def build(context: Context) -> Pipeline:
    """Build the pipeline."""
    image = context.image("xgboost", version=XGBOOST_VERSION)
    data_uri = ParameterString(
        "InputDataUri", default_value=f"s3://{context.bucket('data')}/census_income/raw/"
    )
    data_version = ParameterString("DataVersion", default_value="1")
    processing_instance = ParameterString("ProcessingInstanceType", default_value="ml.m5.large")
    training_instance = ParameterString("TrainingInstanceType", default_value="ml.m5.large")
    approval = ParameterString(
        "ApprovalStatus",
        default_value="PendingManualApproval",
        enum_values=["PendingManualApproval", "Approved", "Rejected"],
    )
    min_auc = ParameterFloat("MinAuc", default_value=0.92)
    threshold = ParameterFloat("DecisionThreshold", default_value=0.5)
    validation_fraction = ParameterFloat("ValidationFraction", default_value=0.15)
    seed = ParameterInteger("Seed", default_value=20)
    hyperparameters = {
        "max_depth": ParameterInteger("MaxDepth", default_value=5),
        "eta": ParameterFloat("Eta", default_value=0.1),
        "num_round": ParameterInteger("Rounds", default_value=600),
        "early_stopping_rounds": ParameterInteger("EarlyStoppingRounds", default_value=30),
        "min_child_weight": ParameterFloat("MinChildWeight", default_value=1.0),
        "subsample": ParameterFloat("Subsample", default_value=0.9),
        "colsample_bytree": ParameterFloat("ColumnSample", default_value=0.8),
    }

    def destination(step: str, name: str) -> Join:
        """Where an output goes: a place of its own per execution, so that none is overwritten."""
        return Join(
            on="/",
            values=[
                f"s3://{context.bucket('artifacts')}",
                ExecutionVariables.PIPELINE_NAME,
                ExecutionVariables.PIPELINE_EXECUTION_ID,
                step,
                name,
            ],
        )

    def processor(bundle: Bundle) -> Processor:
        return Processor(
            role=context.role("processing"),
            image_uri=image,
            instance_type=processing_instance,
            instance_count=1,
            volume_size_in_gb=30,
            max_runtime_in_seconds=3600,
            # The SDK's own script processors upload code when they compile; this unpacks the
            # archive that the deployment uploads. No string may exceed 256 characters.
            entrypoint=[
                "/bin/bash",
                "-c",
                f"mkdir -p {PROCESSING}/code && "
                f"tar -xzf {PROCESSING}/input/code/*.tar.gz -C {PROCESSING}/code && "
                f"cd {PROCESSING}/code && "
                f'exec python3 {bundle.entry} "$@"',
                bundle.entry.removesuffix(".py"),
            ],
            sagemaker_session=context.session,
        )

    preprocess_code = context.bundle(
        "preprocess",
        entry="preprocess.py",
        files=["steps/columns.py", "steps/failures.py", "steps/preprocess.py"],
    )
    preprocess = ProcessingStep(
        "Preprocess",
        description="Checks the data, splits it and writes the reference data for monitoring.",
        step_args=processor(preprocess_code).run(
            inputs=[
                _input("code", preprocess_code.uri),
                _input("data", data_uri),
            ],
            outputs=[
                *(
                    _output(name, destination("preprocess", name))
                    for name in ("train", "validation", "test", "columns")
                ),
                # Monitors find the latest training data in one place, whatever run made them.
                _output(
                    "baseline",
                    Join(
                        on="/",
                        values=[
                            f"s3://{context.bucket('artifacts')}",
                            ExecutionVariables.PIPELINE_NAME,
                            "baseline",
                        ],
                    ),
                ),
            ],
            arguments=[
                *_arguments(COLUMNS),
                *_arguments(
                    {
                        "validation-fraction": validation_fraction.to_string(),
                        "seed": seed.to_string(),
                        "data-version": data_version,
                        "data-dir": f"{PROCESSING}/input/data",
                        "train-dir": f"{PROCESSING}/output/train",
                        "validation-dir": f"{PROCESSING}/output/validation",
                        "test-dir": f"{PROCESSING}/output/test",
                        "columns-dir": f"{PROCESSING}/output/columns",
                        "baseline-dir": f"{PROCESSING}/output/baseline",
                        "message-file": "/opt/ml/output/message",
                    }
                ),
            ],
        ),
        cache_config=CACHE,
        retry_policies=JOB_RETRIES,
    )

    def preprocessed(name: str) -> object:
        return preprocess.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri

    train_code = context.bundle(
        "train",
        entry="train.py",
        files=[
            "steps/columns.py",
            "steps/encoding.py",
            "steps/failures.py",
            "steps/inference.py",
            "steps/train.py",
        ],
    )
    trainer = ModelTrainer(
        role=context.role("training"),
        training_image=image,
        base_job_name="train",
        compute=Compute(instance_type=training_instance, instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=3600),
        output_data_config=OutputDataConfig(s3_output_path=destination("train", "model")),
        hyperparameters={
            # An isolated container cannot fetch code from S3: it comes as an input channel. The
            # SDK's source_code argument would write a timestamp into the definition.
            "sagemaker_program": train_code.entry,
            "sagemaker_submit_directory": f"/opt/ml/input/data/code/{train_code.file}",
            "decision_threshold": threshold.to_string(),
            "seed": seed.to_string(),
            **{name: parameter.to_string() for name, parameter in hyperparameters.items()},
        },
        sagemaker_session=context.session,
    ).with_metric_definitions(
        [
            MetricDefinition(name=f"{data}:{metric}", regex=rf"{data}-{metric}:([0-9.]+)")
            for data in ("train", "validation")
            for metric in ("logloss", "auc")
        ]
    )
    train = TrainingStep(
        "Train",
        description="Trains XGBoost with early stopping on the validation split.",
        step_args=trainer.train(
            [
                InputData(channel_name="code", data_source=train_code.uri),
                *(
                    InputData(channel_name=name, data_source=preprocessed(name))
                    for name in ("train", "validation", "columns")
                ),
            ]
        ),
        cache_config=CACHE,
        retry_policies=JOB_RETRIES,
    )
    model_uri = train.properties.ModelArtifacts.S3ModelArtifacts

    evaluate_code = context.bundle(
        "evaluate",
        entry="evaluate.py",
        files=["steps/evaluate.py", "steps/failures.py", "steps/quality.py"],
    )
    report = PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")
    evaluate = ProcessingStep(
        "Evaluate",
        description="Measures the model on the test split, as a whole and by group.",
        step_args=processor(evaluate_code).run(
            inputs=[
                _input("code", evaluate_code.uri),
                _input("model", model_uri),
                _input("test", preprocessed("test")),
            ],
            outputs=[_output("evaluation", destination("evaluate", "evaluation"))],
            arguments=_arguments(
                {
                    "target": COLUMNS["target"],
                    "positive-label": COLUMNS["positive-label"],
                    "facets": FACETS,
                    "model-dir": f"{PROCESSING}/input/model",
                    "test-dir": f"{PROCESSING}/input/test",
                    "evaluation-dir": f"{PROCESSING}/output/evaluation",
                    "message-file": "/opt/ml/output/message",
                }
            ),
        ),
        property_files=[report],
        cache_config=CACHE,
        retry_policies=JOB_RETRIES,
    )
    auc = JsonGet(
        step_name=evaluate.name,
        property_file=report,
        json_path="binary_classification_metrics.auc.value",
    )

    model = ModelBuilder(
        image_uri=image,
        s3_model_data_url=model_uri,
        role_arn=context.role("model"),
        # train.py puts the inference code into the artifact, under code/.
        env_vars={
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        },
        sagemaker_session=context.session,
    )
    register = ModelStep(
        "Register",
        description="Adds a version to the model package group, for approval.",
        step_args=model.register(
            model_package_group_name=context.model_package_group(),
            approval_status=approval,
            # No lists of instance types: each environment chooses its own.
            content_types=["text/csv", "application/json"],
            response_types=["text/csv", "application/json"],
            domain="MACHINE_LEARNING",
            task="CLASSIFICATION",
            model_metrics=ModelMetrics(
                model_statistics=MetricsSource(
                    content_type="application/json",
                    s3_uri=Join(
                        on="/",
                        values=[
                            evaluate.properties.ProcessingOutputConfig.Outputs[
                                "evaluation"
                            ].S3Output.S3Uri,
                            "evaluation.json",
                        ],
                    ),
                )
            ),
            customer_metadata_properties={
                "auc": auc.to_string(),
                "min-auc": min_auc.to_string(),
                "data-version": data_version,
                "pipeline-execution": ExecutionVariables.PIPELINE_EXECUTION_ID,
            },
        ),
        retry_policies=[STEP_RETRY],
    )
    refuse = FailStep(
        "RefuseModel",
        error_message=Join(
            on=" ",
            values=["The AUC on the test split is", auc, "but at least", min_auc, "is required."],
        ),
    )
    gate = ConditionStep(
        "IsGoodEnough",
        conditions=[ConditionGreaterThanOrEqualTo(left=auc, right=min_auc)],
        if_steps=[register],
        else_steps=[refuse],
    )
    return Pipeline(
        # The deployed pipeline's name is the construct's; nothing in the definition holds this.
        name="census-income",
        parameters=[
            data_uri,
            data_version,
            processing_instance,
            training_instance,
            approval,
            min_auc,
            threshold,
            validation_fraction,
            seed,
            *hyperparameters.values(),
        ],
        steps=[preprocess, train, evaluate, gate],
        # No experiment: creating one would need permissions and names that nothing here uses.
        pipeline_experiment_config=None,
        sagemaker_session=context.session,
    )


def _arguments(values: Mapping[str, object]) -> list[object]:
    """Command-line arguments, ``--name value``."""
    return [part for name, value in values.items() for part in (f"--{name}", value)]


def _input(name: str, uri: object) -> ProcessingInput:
    return ProcessingInput(
        input_name=name,
        s3_input=ProcessingS3Input(
            s3_uri=uri,
            local_path=f"{PROCESSING}/input/{name}",
            s3_data_type="S3Prefix",
            s3_input_mode="File",
        ),
    )


def _output(name: str, uri: object) -> ProcessingOutput:
    return ProcessingOutput(
        output_name=name,
        s3_output=ProcessingS3Output(
            s3_uri=uri, local_path=f"{PROCESSING}/output/{name}", s3_upload_mode="EndOfJob"
        ),
    )
