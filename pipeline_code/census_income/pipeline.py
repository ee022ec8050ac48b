"""Census income: does a person earn more than 50,000 dollars a year?

    ValidateData → IsDataValid ─┬─ Preprocess → Tune → Train ─┬─ Evaluate ──────┐
                                │                             ├─ Assess ────────┤→ IsGoodEnough
                                │                             └─ FindChampion ──┤  ├─ Register
                                │                                  └─ Compare ──┘  └─ RefuseModel
                                └─ RefuseData

Rows that cannot be used are set aside; data that cannot be used ends the run. Tuning looks for the
shape of the trees at a high learning rate, training grows them at a lower one, on spot instances
with checkpoints. A model is registered when its AUC is high enough, no limit of bias or of one
feature's weight is exceeded, and it is not worse than the model in production.

The steps are general to tables with a binary label; what is special to the census stands in the
constants below and nowhere else, and reaches the steps as arguments.

Step caching compares a step's arguments, and input data only by URI: new data behind an old URI
looks like no change. Whoever starts the pipeline on new data passes another ``InputDataUri``, or
another ``DataVersion``, which is an argument of the first steps for this purpose.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from sagemaker.core.drift_check_baselines import DriftCheckBaselines
from sagemaker.core.lambda_helper import Lambda
from sagemaker.core.metadata_properties import MetadataProperties
from sagemaker.core.model_metrics import FileSource, MetricsSource, ModelMetrics
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import (
    CheckpointConfig,
    MetricDefinition,
    ModelPackageModelCard,
    OutputDataConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    StoppingCondition,
)
from sagemaker.core.workflow.conditions import (
    ConditionEquals,
    ConditionGreaterThanOrEqualTo,
    ConditionLessThanOrEqualTo,
)
from sagemaker.core.workflow.entities import PipelineVariable
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
from sagemaker.mlops.workflow.lambda_step import (
    LambdaOutput,
    LambdaOutputTypeEnum,
    LambdaStep,
)
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep, TuningStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData
from sagemaker.train.tuner import HyperparameterTuner

from pipeline_code.compiler import Bundle, Context

POSITIVE = ">50K"
COLUMNS = {
    "target": "income",
    "positive-label": POSITIVE,
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
LABEL = {"target": COLUMNS["target"], "positive-label": POSITIVE}
LABELS = f"<=50K,{POSITIVE}"
RANGES = (
    "age=0:120,education_num=1:16,capital_gain=0:1000000,capital_loss=0:1000000,"
    "hours_per_week=0:168"
)
# Columns by whose groups quality is reported, and the groups that bias is measured for.
FACETS = "sex,race"
GROUPS = "sex=Female,race=Black"
CARD = {
    "intended_uses": {
        "purpose_of_model": "Says how likely a person earns more than 50,000 dollars a year.",
        "intended_uses": "A demonstration on census data of 1994. Not for decisions about people.",
        "factors_affecting_model_efficiency": "Incomes and occupations have changed since 1994.",
        "risk_rating": "Unknown",
    },
    "additional_information": {
        "ethical_considerations": "Sex and race are features; differences between groups are "
        "measured at each registration and limited by the pipeline's parameter BiasLimits.",
    },
}

XGBOOST_VERSION = "3.2-0"
# At this learning rate a few rounds tell which trees fit the data; training takes parameter Eta.
TUNING = {"eta": "0.3", "num_round": "60", "early_stopping_rounds": "10"}
RANGES_TUNED = {
    "max_depth": IntegerParameter(3, 5),
    "min_child_weight": ContinuousParameter(1.0, 4.0, scaling_type="Logarithmic"),
    "subsample": ContinuousParameter(0.8, 1.0),
    "colsample_bytree": ContinuousParameter(0.6, 0.9),
}

PROCESSING = "/opt/ml/processing"
CHECKPOINTS = "/opt/ml/checkpoints"
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
JSON = "application/json"


class Parameters:
    """What the person or trigger that starts an execution may choose."""

    def __init__(self, data_uri: ParameterString) -> None:
        self.data_uri = data_uri
        self.data_version = ParameterString("DataVersion", default_value="1")
        self.processing_instance = ParameterString(
            "ProcessingInstanceType", default_value="ml.m5.large"
        )
        self.training_instance = ParameterString(
            "TrainingInstanceType", default_value="ml.m5.large"
        )
        self.approval = ParameterString(
            "ApprovalStatus",
            default_value="PendingManualApproval",
            enum_values=["PendingManualApproval", "Approved", "Rejected"],
        )
        # Shares: of rows that may be unusable, and of a column that may be missing.
        self.max_bad_rows = ParameterFloat("MaxBadRows", default_value=0.01)
        self.max_missing = ParameterFloat("MaxMissing", default_value=0.2)
        self.min_rows = ParameterInteger("MinRows", default_value=1000)
        self.min_auc = ParameterFloat("MinAuc", default_value=0.92)
        # By how much the AUC must exceed that of the model in production; noise is ±0.001.
        self.min_improvement = ParameterFloat("MinImprovement", default_value=-0.002)
        # "registry" for the model in production, "none" for no comparison, or a version's ARN.
        self.champion = ParameterString("Champion", default_value="registry")
        self.bias_limits = ParameterString("BiasLimits", default_value="AD=0.15,RD=0.2")
        self.max_share = ParameterFloat("MaxFeatureShare", default_value=0.6)
        self.threshold = ParameterFloat("DecisionThreshold", default_value=0.5)
        self.validation_fraction = ParameterFloat("ValidationFraction", default_value=0.15)
        self.seed = ParameterInteger("Seed", default_value=20)
        self.tuning_jobs = ParameterInteger("TuningJobs", default_value=12)
        self.tuning_parallel = ParameterInteger("TuningParallelJobs", default_value=4)
        self.eta = ParameterFloat("Eta", default_value=0.15)
        self.rounds = ParameterInteger("Rounds", default_value=600)
        self.early_stopping = ParameterInteger("EarlyStoppingRounds", default_value=25)

    def all(self) -> list[Any]:
        """All of them, in this order."""
        return list(vars(self).values())


def build(context: Context) -> Pipeline:
    """Build the pipeline."""
    given = Parameters(
        ParameterString(
            "InputDataUri", default_value=f"s3://{context.bucket('data')}/census_income/raw/"
        )
    )
    steps = Steps(context, given)
    validate, validation = steps.validate()
    valid = output_of(validate, "valid")
    preprocess = steps.preprocess(valid)
    data = {
        name: output_of(preprocess, name)
        for name in ("train", "validation", "test", "columns", "statistics")
    }
    tune = steps.tune(data)
    train = steps.train(data, tune)
    model = train.properties.ModelArtifacts.S3ModelArtifacts
    evaluate, evaluation = steps.evaluate(model, data)
    assess, checks = steps.assess(model, data)
    find = steps.find_champion(model)
    compare, comparison = steps.compare(model, data, find)

    auc = JsonGet(evaluate.name, evaluation, "binary_classification_metrics.auc.value")
    difference = JsonGet(compare.name, comparison, "difference")
    violations = JsonGet(assess.name, checks, "violations")
    register = steps.register(
        model,
        Findings(
            auc=auc,
            difference=difference,
            statistics=data["statistics"],
            train=data["train"],
            evaluation=output_of(evaluate, "evaluation"),
            bias=output_of(assess, "bias"),
            explainability=output_of(assess, "explainability"),
            champion=find.properties.Outputs["version"],
        ),
    )
    gate = ConditionStep(
        "IsGoodEnough",
        conditions=[
            ConditionGreaterThanOrEqualTo(left=auc, right=given.min_auc),
            ConditionLessThanOrEqualTo(left=violations, right=0),
            ConditionGreaterThanOrEqualTo(left=difference, right=given.min_improvement),
        ],
        if_steps=[register],
        else_steps=[
            FailStep(
                "RefuseModel",
                error_message=Join(
                    on=" ",
                    values=[
                        "The AUC on the test split is",
                        auc,
                        "and at least",
                        given.min_auc,
                        "is required; its difference to the model in production is",
                        difference,
                        "and at least",
                        given.min_improvement,
                        "is required; exceeded limits:",
                        JsonGet(assess.name, checks, "reason"),
                    ],
                ),
            )
        ],
    )
    is_valid = ConditionStep(
        "IsDataValid",
        conditions=[
            ConditionEquals(left=JsonGet(validate.name, validation, "valid"), right=1),
        ],
        if_steps=[preprocess, tune, train, evaluate, assess, find, compare, gate],
        else_steps=[
            FailStep(
                "RefuseData",
                error_message=Join(
                    on=" ",
                    values=[
                        "The data cannot be used:",
                        JsonGet(validate.name, validation, "reason"),
                        "(rows set aside:",
                        output_of(validate, "quarantine"),
                        ")",
                    ],
                ),
            )
        ],
    )
    return Pipeline(
        # The deployed pipeline's name is the construct's; nothing in the definition holds this.
        name="census-income",
        parameters=given.all(),
        steps=[validate, is_valid],
        # No experiment: creating one would need permissions and names that nothing here uses.
        pipeline_experiment_config=None,
        sagemaker_session=context.session,
    )


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a version of the model is registered with: numbers, and URIs of folders."""

    auc: JsonGet
    difference: JsonGet
    statistics: Any
    train: Any
    evaluation: Any
    bias: Any
    explainability: Any
    champion: Any


class BudgetedTuning(TuningStep):  # type: ignore[misc] # the SDK has no types
    """A tuning step whose limits are parameters, which the service takes and the SDK refuses."""

    def __init__(self, limits: Mapping[str, ParameterInteger], name: str, **arguments: Any) -> None:
        self._limits = limits
        super().__init__(name, **arguments)

    @property
    def arguments(self) -> dict[str, Any]:
        """The request."""
        request: dict[str, Any] = super().arguments
        request["HyperParameterTuningJobConfig"]["ResourceLimits"] |= self._limits
        return request


class Steps:
    """Makes the steps."""

    def __init__(self, context: Context, given: Parameters) -> None:
        self._context = context
        self._given = given
        self._image = context.image("xgboost", version=XGBOOST_VERSION)
        self._train_code = context.bundle(
            "train",
            entry="train.py",
            files=[
                "steps/boosting.py",
                "steps/checkpoints.py",
                "steps/columns.py",
                "steps/encoding.py",
                "steps/failures.py",
                "steps/inference.py",
                "steps/train.py",
            ],
        )

    def validate(self) -> tuple[ProcessingStep, PropertyFile]:
        """Sorts the rows and judges the whole."""
        given = self._given
        report = PropertyFile("Validation", output_name="validation", path="validation.json")
        step = self._processing(
            "ValidateData",
            "Sets bad rows aside, and says whether the data can be used.",
            modules=["columns", "failures", "validate"],
            inputs={"data": given.data_uri},
            outputs=["valid", "quarantine", "validation"],
            arguments={
                **COLUMNS,
                "labels": LABELS,
                "ranges": RANGES,
                "positive-share": "0.05:0.95",
                "max-bad-rows": given.max_bad_rows.to_string(),
                "max-missing": given.max_missing.to_string(),
                "min-rows": given.min_rows.to_string(),
                "data-version": given.data_version,
            },
            report=report,
        )
        return step, report

    def preprocess(self, valid: object) -> ProcessingStep:
        """Makes the splits and what monitors compare with."""
        given = self._given
        return self._processing(
            "Preprocess",
            "Splits the data and writes the reference data for monitoring.",
            modules=["columns", "failures", "preprocess", "reference"],
            inputs={"data": valid},
            outputs=["train", "validation", "test", "columns", "statistics"],
            # Monitors find the latest training data in one place, whatever run made them.
            fixed={"baseline": self._fixed("baseline")},
            arguments={
                **COLUMNS,
                "validation-fraction": given.validation_fraction.to_string(),
                "seed": given.seed.to_string(),
                "data-version": given.data_version,
            },
        )

    def tune(self, data: Mapping[str, object]) -> TuningStep:
        """Looks for the shape of the trees."""
        trainer = self._trainer("tune", TUNING)
        tuner = HyperparameterTuner(
            trainer,
            objective_metric_name="validation:auc",
            metric_definitions=[
                {"Name": "validation:auc", "Regex": "validation-auc:([0-9.]+)"},
            ],
            hyperparameter_ranges=RANGES_TUNED,
            early_stopping_type="Auto",
            random_seed=20,
        )
        return BudgetedTuning(
            {
                "MaxNumberOfTrainingJobs": self._given.tuning_jobs,
                "MaxParallelTrainingJobs": self._given.tuning_parallel,
            },
            "Tune",
            description="Looks for the best shape of the trees.",
            step_args=tuner.tune(self._channels(data)),
            cache_config=CACHE,
            retry_policies=JOB_RETRIES,
        )

    def train(self, data: Mapping[str, object], tune: TuningStep) -> TrainingStep:
        """Trains with the best hyperparameters."""
        given = self._given
        best = tune.properties.BestTrainingJob.TunedHyperParameters
        trainer = self._trainer(
            "train",
            {
                "eta": given.eta.to_string(),
                "num_round": given.rounds.to_string(),
                "early_stopping_rounds": given.early_stopping.to_string(),
                "checkpoint_dir": CHECKPOINTS,
                **{name: best[name] for name in RANGES_TUNED},
            },
            # The same in every execution: another place would be another job to step caching.
            checkpoints=self._fixed("checkpoints"),
        ).with_metric_definitions(
            [
                MetricDefinition(name=f"{data}:{metric}", regex=rf"{data}-{metric}:([0-9.]+)")
                for data in ("train", "validation")
                for metric in ("logloss", "auc")
            ]
        )
        return TrainingStep(
            "Train",
            description="Trains XGBoost with early stopping on the validation split.",
            step_args=trainer.train(self._channels(data)),
            cache_config=CACHE,
            retry_policies=JOB_RETRIES,
        )

    def evaluate(
        self, model: object, data: Mapping[str, object]
    ) -> tuple[ProcessingStep, PropertyFile]:
        """Measures the model."""
        report = PropertyFile(
            name="EvaluationReport", output_name="evaluation", path="evaluation.json"
        )
        step = self._processing(
            "Evaluate",
            "Measures the model on the test split, as a whole and by group.",
            modules=["evaluate", "boosting", "failures", "quality", "scoring"],
            inputs={"model": model, "test": data["test"]},
            outputs=["evaluation"],
            arguments={**LABEL, "facets": FACETS},
            report=report,
        )
        return step, report

    def assess(
        self, model: object, data: Mapping[str, object]
    ) -> tuple[ProcessingStep, PropertyFile]:
        """Measures bias, and what the model looks at."""
        report = PropertyFile(name="Checks", output_name="checks", path="checks.json")
        step = self._processing(
            "Assess",
            "Measures bias and the weight of each feature, and holds them against limits.",
            modules=["assess", "boosting", "columns", "failures", "scoring"],
            inputs={"model": model, "train": data["train"], "test": data["test"]},
            outputs=["bias", "explainability", "checks"],
            arguments={
                **LABEL,
                "groups": GROUPS,
                "bias-limits": self._given.bias_limits,
                "max-share": self._given.max_share.to_string(),
            },
            report=report,
        )
        return step, report

    def find_champion(self, model: object) -> LambdaStep:
        """Finds the model in production; there an answer is always a model."""
        outputs = ("version", "model")
        return LambdaStep(
            "FindChampion",
            description="Finds the model in production, or none.",
            lambda_func=Lambda(
                function_arn=self._context.function("champion"), session=self._context.session
            ),
            inputs={
                "champion": self._given.champion,
                "group": self._context.model_package_group(),
                "otherwise": model,
            },
            outputs=[LambdaOutput(name, LambdaOutputTypeEnum.String) for name in outputs],
        )

    def compare(
        self, model: object, data: Mapping[str, object], find: LambdaStep
    ) -> tuple[ProcessingStep, PropertyFile]:
        """Compares the model with the one in production."""
        report = PropertyFile(name="Comparison", output_name="comparison", path="comparison.json")
        champion = find.properties.Outputs
        step = self._processing(
            "Compare",
            "Compares the model with the one in production, on the same rows.",
            modules=["compare", "boosting", "failures", "scoring"],
            inputs={"challenger": model, "champion": champion["model"], "test": data["test"]},
            outputs=["comparison"],
            arguments={**LABEL, "champion": champion["version"]},
            report=report,
        )
        return step, report

    def register(self, model: object, found: Findings) -> ModelStep:
        """Adds a version to the group."""
        given, context = self._given, self._context
        builder = ModelBuilder(
            image_uri=self._image,
            s3_model_data_url=model,
            role_arn=context.role("model"),
            # train.py puts the inference code into the artifact, under code/.
            env_vars={
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            },
            sagemaker_session=context.session,
        )

        def metrics(folder: object, name: str) -> MetricsSource:
            return MetricsSource(content_type=JSON, s3_uri=_in(folder, name))

        quality = metrics(found.evaluation, "evaluation.json")
        quality_limits = metrics(found.evaluation, "constraints.json")
        statistics = metrics(found.statistics, "statistics.json")
        constraints = metrics(found.statistics, "constraints.json")
        bias = metrics(found.bias, "analysis.json")
        explainability = metrics(found.explainability, "analysis.json")
        return ModelStep(
            "Register",
            description="Adds a version to the model package group, for approval.",
            step_args=builder.register(
                model_package_group_name=context.model_package_group(),
                approval_status=given.approval,
                # No lists of instance types: each environment chooses its own.
                content_types=["text/csv", JSON],
                response_types=["text/csv", JSON],
                domain="MACHINE_LEARNING",
                task="CLASSIFICATION",
                model_metrics=ModelMetrics(
                    model_statistics=quality,
                    model_constraints=quality_limits,
                    model_data_statistics=statistics,
                    model_data_constraints=constraints,
                    bias=bias,
                    bias_pre_training=bias,
                    bias_post_training=bias,
                    explainability=explainability,
                ),
                drift_check_baselines=DriftCheckBaselines(
                    model_statistics=quality,
                    model_constraints=quality_limits,
                    model_data_statistics=statistics,
                    model_data_constraints=constraints,
                    bias_config_file=FileSource(
                        content_type=JSON, s3_uri=_in(found.bias, "analysis_config.json")
                    ),
                    bias_pre_training_constraints=bias,
                    bias_post_training_constraints=bias,
                    explainability_constraints=explainability,
                    explainability_config_file=FileSource(
                        content_type=JSON,
                        s3_uri=_in(found.explainability, "analysis_config.json"),
                    ),
                ),
                metadata_properties=MetadataProperties(
                    generated_by=ExecutionVariables.PIPELINE_EXECUTION_ARN
                ),
                model_card=ModelPackageModelCard(
                    model_card_content=json_text(self._card(model, found)),
                    model_card_status="PendingReview",
                ),
                customer_metadata_properties={
                    "auc": found.auc.to_string(),
                    "min-auc": given.min_auc.to_string(),
                    "auc-difference": found.difference.to_string(),
                    "champion": found.champion,
                    "data-version": given.data_version,
                    "input-data": given.data_uri,
                    "training-data": found.train,
                    "training-code": self._train_code.uri,
                    "pipeline-execution": ExecutionVariables.PIPELINE_EXECUTION_ID,
                },
            ),
            retry_policies=[STEP_RETRY],
        )

    def _card(self, model: object, found: Findings) -> dict[str, Any]:
        """The model card, by the schema of cards of model packages."""
        given = self._given
        measures = {
            "AUC": found.auc,
            "AUC required": given.min_auc,
            "AUC difference to the model in production": found.difference,
        }
        return {
            **CARD,
            "model_overview": {
                "model_creator": ExecutionVariables.PIPELINE_NAME,
                "model_artifact": [model],
            },
            "training_details": {
                "objective_function": {"function": {"function": "Maximize", "facet": "AUC"}},
                "training_observations": "XGBoost; shape of the trees by tuning, early stopping "
                "on the validation split.",
                "training_job_details": {
                    "training_datasets": [found.train],
                    "training_environment": {"container_image": [self._image]},
                },
            },
            "evaluation_details": [
                {
                    "name": "Test split",
                    "evaluation_observation": "On the test split that the data itself names.",
                    "datasets": [given.data_uri],
                    "metric_groups": [
                        {
                            "name": "Quality",
                            "metric_data": [
                                {"name": name, "type": "number", "value": value}
                                for name, value in measures.items()
                            ],
                        }
                    ],
                }
            ],
            "additional_information": {
                **CARD["additional_information"],
                "custom_details": {
                    "pipeline execution": ExecutionVariables.PIPELINE_EXECUTION_ARN,
                    "model compared with": found.champion,
                    "data version": given.data_version,
                    "bias limits": given.bias_limits,
                },
            },
        }

    def _trainer(
        self,
        name: str,
        hyperparameters: Mapping[str, object],
        *,
        checkpoints: object | None = None,
    ) -> ModelTrainer:
        """A training on spot instances."""
        code = self._train_code
        return ModelTrainer(
            role=self._context.role("training"),
            training_image=self._image,
            base_job_name=name,
            compute=Compute(
                instance_type=self._given.training_instance,
                instance_count=1,
                volume_size_in_gb=30,
                enable_managed_spot_training=True,
            ),
            stopping_condition=StoppingCondition(
                max_runtime_in_seconds=3600, max_wait_time_in_seconds=2 * 3600
            ),
            checkpoint_config=CheckpointConfig(s3_uri=checkpoints, local_path=CHECKPOINTS)
            if checkpoints
            else None,
            output_data_config=OutputDataConfig(
                s3_output_path=self._destination(name, "model" if name == "train" else "models")
            ),
            hyperparameters={
                # An isolated container cannot fetch code from S3: it comes as an input channel. The
                # SDK's source_code argument would write a timestamp into the definition.
                "sagemaker_program": code.entry,
                "sagemaker_submit_directory": f"/opt/ml/input/data/code/{code.file}",
                "decision_threshold": self._given.threshold.to_string(),
                "seed": self._given.seed.to_string(),
                **hyperparameters,
            },
            sagemaker_session=self._context.session,
        )

    def _channels(self, data: Mapping[str, object]) -> list[InputData]:
        return [
            InputData(channel_name="code", data_source=self._train_code.uri),
            *(
                InputData(channel_name=name, data_source=data[name])
                for name in ("train", "validation", "columns")
            ),
        ]

    def _processing(
        self,
        name: str,
        description: str,
        *,
        modules: list[str],
        inputs: Mapping[str, object],
        outputs: list[str],
        arguments: Mapping[str, object],
        fixed: Mapping[str, object] | None = None,
        report: PropertyFile | None = None,
    ) -> ProcessingStep:
        """A step that runs one of the scripts.

        Args:
            name: The step's name; the script is the one of `modules` that it begins with.
            description: What it does.
            modules: The script and what it imports.
            inputs: S3 URIs by name; the script gets ``--<name>-dir``.
            outputs: Names of folders of this execution; the script gets ``--<name>-dir``.
            arguments: More arguments of the script.
            fixed: Outputs that go to the same place in every execution.
            report: What conditions and other steps look into.
        """
        script = next(each for each in modules if name.lower().startswith(each))
        code = self._context.bundle(
            script, entry=f"{script}.py", files=[f"steps/{each}.py" for each in modules]
        )
        destinations: dict[str, object] = {
            **{each: self._destination(script, each) for each in outputs},
            **(fixed or {}),
        }
        return ProcessingStep(
            name,
            description=description,
            step_args=self._processor(code).run(
                inputs=[_input("code", code.uri), *(_input(*each) for each in inputs.items())],
                outputs=[_output(*each) for each in destinations.items()],
                arguments=_arguments(
                    {
                        **arguments,
                        **{f"{each}-dir": f"{PROCESSING}/input/{each}" for each in inputs},
                        **{f"{each}-dir": f"{PROCESSING}/output/{each}" for each in destinations},
                        "message-file": "/opt/ml/output/message",
                    }
                ),
            ),
            property_files=[report] if report else [],
            cache_config=CACHE,
            retry_policies=JOB_RETRIES,
        )

    def _processor(self, code: Bundle) -> Processor:
        return Processor(
            role=self._context.role("processing"),
            image_uri=self._image,
            instance_type=self._given.processing_instance,
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
                f'exec python3 {code.entry} "$@"',
                code.entry.removesuffix(".py"),
            ],
            sagemaker_session=self._context.session,
        )

    def _fixed(self, name: str) -> Join:
        """A place that is the same in every execution."""
        bucket = f"s3://{self._context.bucket('artifacts')}"
        return Join(on="/", values=[bucket, ExecutionVariables.PIPELINE_NAME, name])

    def _destination(self, step: str, name: str) -> Join:
        """Where an output goes: a place of its own per execution, so that none is overwritten."""
        return Join(
            on="/",
            values=[
                f"s3://{self._context.bucket('artifacts')}",
                ExecutionVariables.PIPELINE_NAME,
                ExecutionVariables.PIPELINE_EXECUTION_ID,
                step,
                name,
            ],
        )


def output_of(step: ProcessingStep, name: str) -> Any:
    """The URI of the folder that a step writes."""
    return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


def json_text(value: object) -> Join:
    """JSON with pipeline variables in it, which the service fills in: numbers stay numbers."""
    variables: list[Any] = []

    def mark(variable: object) -> str:
        if not isinstance(variable, PipelineVariable) and not hasattr(variable, "expr"):
            raise TypeError(f"{variable!r} is neither JSON nor a variable of the pipeline.")
        variables.append(variable)
        return f"\0{len(variables) - 1}\0"

    text = json.dumps(value, default=mark, sort_keys=True)
    parts: list[Any] = []
    for at, part in enumerate(text.split("\\u0000")):
        if at % 2 == 0:
            parts.append(part)
            continue
        variable = variables[int(part)]
        if isinstance(variable, JsonGet | ParameterFloat | ParameterInteger):
            parts[-1] = parts[-1].removesuffix('"')
        parts.append(variable)
    for at, part in enumerate(parts):
        before = parts[at - 1] if at else None
        if isinstance(before, JsonGet | ParameterFloat | ParameterInteger):
            parts[at] = part.removeprefix('"')
    return Join(on="", values=parts)


def _in(folder: object, name: str) -> Join:
    return Join(on="/", values=[folder, name])


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
